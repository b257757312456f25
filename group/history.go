package group

import (
	"fmt"
	"strings"
	"time"
)

// Reason is why a group was rebalanced. The numbers are stored: never change one.
type Reason int8

// The reasons. NumReasons is one more than the last, for arrays indexed by reason.
const (
	MemberJoined         Reason = iota + 1 // a new member
	MemberRejoined                         // a member that began anew under its id
	MemberLeft                             // a member that said so
	MemberTimedOut                         // a member that was silent for the session timeout
	RebalanceTimedOut                      // a member that did not let go in time
	SubscriptionChanged                    // a member wants other topics
	TopicCreated                           // a topic that a member subscribes to appeared
	PartitionsAdded                        // such a topic got more partitions
	TopicDeleted                           // such a topic was deleted
	AssignorChanged                        // the members ask for another assignor
	CoordinatorRecovered                   // a coordinator found the stored target incomplete
	NumReasons           = int(CoordinatorRecovered) + 1
)

var reasonNames = [NumReasons]string{
	"", "member joined", "member rejoined", "member left", "member timed out", "rebalance timeout",
	"subscription changed", "topic created", "partitions added", "topic deleted", "assignor changed",
	"coordinator recovered",
}

// String returns the reason in words, fit for a metric's label.
func (r Reason) String() string {
	if r <= 0 || int(r) >= NumReasons {
		return fmt.Sprintf("reason(%d)", int8(r))
	}
	return reasonNames[r]
}

// Rebalance is one entry of a group's history.
type Rebalance struct {
	Time   time.Time // when it began; to the millisecond after a restart of the coordinator
	Epoch  int32     // the group epoch that it began
	Reason Reason
	Detail string // whom or what the reason is about; at most 128 bytes, of foreign origin: quote it
	Events int    // changes for the same reason that were gathered in it
	Moved  int    // partitions that went from one member to another; of gathered entries the last one has the number
	// Duration is the time until every partition was with the member that it is for; negative: not yet.
	Duration time.Duration
}

// maxDetailBytes bounds Rebalance.Detail.
const maxDetailBytes = 128

// bump begins a new group epoch, to be followed by a new target.
func (g *Group) bump(now time.Time, reason Reason, detail string) {
	g.epoch++
	if g.epoch <= 0 {
		panic(fmt.Sprintf("group: %q ran out of epochs", g.identity.ID))
	}
	g.counts[reason]++
	g.changed.group = true
	if n := len(g.history); n > 0 && g.history[n-1].Reason == reason && g.history[n-1].Epoch > g.targetEpoch {
		last := &g.history[n-1]
		last.Epoch, last.Events = g.epoch, last.Events+1
		return
	}
	g.history = append(g.history, Rebalance{
		Time: now, Epoch: g.epoch, Reason: reason, Detail: clip(detail), Events: 1, Duration: -1,
	})
	if len(g.history) > MaxHistory {
		g.history = append([]Rebalance(nil), g.history[len(g.history)-MaxHistory:]...)
	}
}

// settle ends the open entries of the history if all partitions are where they belong.
func (g *Group) settle(now time.Time) {
	if g.epoch != g.targetEpoch || g.unsettled > 0 {
		return
	}
	for i := len(g.history) - 1; i >= 0 && g.history[i].Duration < 0; i-- {
		g.history[i].Duration = max(0, now.Sub(g.history[i].Time))
		g.changed.group = true
	}
}

// clip shortens a text to maxDetailBytes, at a rune's border.
func clip(s string) string {
	if len(s) <= maxDetailBytes {
		return s
	}
	return strings.ToValidUTF8(s[:maxDetailBytes-3], "") + "..."
}

// History returns the last rebalances, oldest first, at most MaxHistory.
func (g *Group) History() []Rebalance { return append([]Rebalance(nil), g.history...) }

// Rebalances returns how many changes there were for each reason since New or Restore, indexed by Reason.
func (g *Group) Rebalances() [NumReasons]uint64 { return g.counts }
