package main

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/skidway/skidway/wire"
)

// noteworthyLag is from when on a follower that is in sync is said to be behind: below it, it is what is under way.
const noteworthyLag = time.Second

// partitionNote says what is not as it should be with a partition's replicas, or is about to change; empty: nothing.
// present tells which brokers are there.
func partitionNote(p *wire.PartitionDescription, present func(int32) bool) string {
	var notes []string
	if p.Leader < 0 && len(p.Replicas) > 0 {
		notes = append(notes, "no leader: "+whyNone(p, present))
	}
	for _, id := range p.Replicas {
		if note := replicaNote(p, id, present(id)); note != "" {
			notes = append(notes, note)
		}
	}
	if len(p.ELR) > 0 {
		notes = append(notes, fmt.Sprintf("%s could lead without a loss", listed(p.ELR)))
	}
	if p.Leader >= 0 && len(p.ISR) < int(p.MinInSync) {
		notes = append(notes, fmt.Sprintf("no writes with acks=all: %d in sync, %d needed", len(p.ISR), p.MinInSync))
	}
	if len(p.Adding)+len(p.Removing) > 0 {
		move := "moving"
		if len(p.Adding) > 0 {
			move += " to " + listed(p.Adding)
		}
		if len(p.Removing) > 0 {
			move += " from " + listed(p.Removing)
		}
		notes = append(notes, move)
	}
	return strings.Join(notes, "; ")
}

// whyNone says why a partition has no leader: all who hold what is committed are away, or one is about to be elected.
func whyNone(p *wire.PartitionDescription, present func(int32) bool) string {
	able := slices.Concat(p.ISR, p.ELR)
	if slices.ContainsFunc(able, present) {
		return "one is being elected"
	}
	return fmt.Sprintf("all that hold what is committed are away (%s)", listed(able))
}

// replicaNote says how a replica is, if that is worth a word.
func replicaNote(p *wire.PartitionDescription, id int32, present bool) string {
	inSync := slices.Contains(p.ISR, id)
	i := slices.IndexFunc(p.Followers, func(f wire.FollowerLag) bool { return f.Broker == id })
	switch {
	case id == p.Leader:
		return ""
	case p.Leader < 0 && (present || inSync):
		return "" // that there is no leader says it
	case !present:
		return fmt.Sprintf("%d is away", id)
	case i >= 0 && p.Followers[i].Lag > 0 &&
		(!inSync || time.Duration(p.Followers[i].LagMs)*time.Millisecond >= noteworthyLag):
		return fmt.Sprintf("%d behind by %s", id, behind(p.Followers[i]))
	case inSync:
		return ""
	case slices.Contains(p.Adding, id):
		return "" // it is only coming
	}
	return fmt.Sprintf("%d is not in sync", id)
}

// behind says how far a follower is.
func behind(f wire.FollowerLag) string {
	text := plural(f.Lag, "record")
	if f.LagMs > 0 {
		text += ", " + ageCell(time.Duration(f.LagMs)*time.Millisecond).Text
	}
	return text
}
