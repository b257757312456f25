package broker

import (
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/skidway/skidway/cluster"
	"github.com/skidway/skidway/internal/failpoint"
	"github.com/skidway/skidway/partitionlog"
	"github.com/skidway/skidway/peer"
	"github.com/skidway/skidway/replication"
)

// replica is this broker's copy of one partition of a cluster: the core that decides, the log, and what carries the
// core's effects out. Nothing of it waits: what takes time is answered by an event later.
type replica struct {
	h   *replicas
	id  cluster.PartitionID
	log *partitionlog.Log

	mu   sync.Mutex // guards what follows; held while effects are carried out, before the log's own
	core *replication.Replica
	// events are those that carrying effects out brought about, to be taken next; empty between two steps.
	events  []replication.Event
	nextID  uint64
	waiting map[uint64]*commitment // produces that wait for the core's Reply, and questions for its BarrierReply
	// streams are the links on which followers subscribed last, of a leader; link is that of its own subscription, of a
	// follower.
	streams map[int32]peer.Link
	link    peer.Link
	reading map[int32]bool        // followers for which the disk is being read
	version int32                 // of the state that was given to the core last; -1: none
	start   int64                 // of the log, as far as the core and the log told each other
	data    int64                 // where its first batch begins, as far as the core was told
	busy    bool                  // on the list of those that need ticks
	shipped *partitionlog.Receipt // of what the message that is being taken had appended
	// promising tells whether the newest generation began with a promise.
	promising bool
	role      replication.Role // as it was published last, and its epoch
	epoch     int32

	// What others may see without the lock.
	leads atomic.Bool // may be read from and written to
}

// commitment is a produce that waits until enough replicas hold it, or a question for the newest offset that waits
// until they have confirmed that this broker leads.
type commitment struct {
	id     uint64
	done   chan struct{} // closed when what follows is set
	result replication.Result
	end    int64 // of a question: the newest offset
}

// step gives the core an event, and carries out all that follows.
func (r *replica) step(ev replication.Event) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.stepLocked(ev)
}

func (r *replica) stepLocked(ev replication.Event) {
	r.events = append(r.events, ev)
	for len(r.events) > 0 {
		ev := r.events[0]
		r.events = slices.Delete(r.events, 0, 1)
		for _, e := range slices.Clone(r.core.Step(r.h.now(), ev)) {
			r.carry(e) // may add to events
		}
	}
	r.publish()
}

// publish shows others what the core is now.
func (r *replica) publish() {
	s := r.core.Status()
	end, readable := r.core.Readable()
	if r.role != s.Role || r.epoch != s.Epoch {
		r.role, r.epoch = s.Role, s.Epoch
		if s.Role == replication.Leader {
			r.h.elections.Add(1)
		}
		r.h.b.log.Debug("replica has another role", "topic_id", r.id.Topic, "partition", r.id.Index,
			"role", s.Role.String(), "leader_epoch", s.Epoch)
	}
	r.leads.Store(readable && s.Role == replication.Leader)
	r.log.SetHighWatermark(end)
	if s.Role == replication.Follower && s.LogStart > r.start {
		r.start = s.LogStart // that its leader keeps, and all replicas in sync have reached
		r.log.RaiseStart(s.LogStart)
	}
	if !r.busy && !r.core.Idle() {
		r.busy = true
		r.h.keepBusy(r)
	}
}

// tick lets time pass, and tells whether more ticks are needed.
func (r *replica) tick() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.stepLocked(replication.Tick{})
	r.busy = !r.core.Idle()
	return r.busy
}

// trimmed tells the core of a leader that retention, or a request, raised the log's start, and that what lay below it
// is gone: that may be later, or may have been while it followed.
func (r *replica) trimmed() {
	start, _ := r.log.Bounds()
	data := r.log.Stored().DataStart
	r.mu.Lock()
	defer r.mu.Unlock()
	if start > r.start || data != r.data {
		r.start, r.data = max(r.start, start), data
		r.stepLocked(replication.Trimmed{LogStart: start, DataStart: data})
	}
}

// read gives the core the state as it is known now.
func (r *replica) read() {
	p, there := r.h.member.Partition(r.id)
	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case !there:
		r.stepLocked(replication.Fenced{}) // the topic is being deleted
	case p.Version > r.version:
		r.version = p.Version
		r.stepLocked(replication.StateRead{State: p.State, Version: p.Version})
		r.goLive(p.State.Leader)
	}
}

// moved gives the core what became of its appends.
func (r *replica) moved(m partitionlog.Move) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if c := m.Change; c != nil {
		r.changed(c)
	}
	r.stepLocked(replication.Applied{Generation: m.Generation, End: m.Applied})
	r.stepLocked(replication.Synced{Generation: m.Generation, End: m.Durable})
}

// changed tells the core that what began a generation is durable.
func (r *replica) changed(c *partitionlog.Change) {
	history := historyOf(c.History)
	if r.promising {
		r.stepLocked(replication.Promised{Generation: c.Generation, End: c.End, History: history})
		return
	}
	r.stepLocked(replication.Cut{Generation: c.Generation, End: c.End, History: history})
}

// historyOf writes a log's history as the core takes it.
func historyOf(epochs []partitionlog.EpochStart) replication.History {
	history := make(replication.History, len(epochs))
	for i, e := range epochs {
		history[i] = replication.EpochStart{Epoch: e.Epoch, Start: e.Start}
	}
	return history
}

// carry carries out one effect.
func (r *replica) carry(e replication.Effect) {
	switch e := e.(type) {
	case replication.Promise, replication.Truncate, replication.Reset, replication.Remove:
		r.change(e)
	case replication.Erase: // the whole topic's rows are deleted at once
	case replication.Append:
		r.append(e)
	case replication.Send:
		r.send(e)
	case replication.Ship:
		r.ship(e)
	case replication.Reply:
		r.reply(e)
	case replication.BarrierReply:
		r.reply(replication.Reply(e))
	case replication.WriteState:
		r.h.write(r, e)
	case replication.ReadState:
		r.h.reread(r)
	case replication.Alarm:
		r.alarm(e)
	}
}

// change begins a generation of the log. A log that cannot is damaged, or closed with the broker.
func (r *replica) change(e replication.Effect) {
	var err error
	_, r.promising = e.(replication.Promise)
	switch e := e.(type) {
	case replication.Promise:
		if e.Lead {
			failpoint.Hit(failpoint.BeforePromise)
		}
		_, err = r.log.Promise(partitionlog.Promise{Generation: e.Generation, Epoch: e.Epoch, Lead: e.Lead})
	case replication.Truncate:
		_, err = r.log.Truncate(e.Generation, e.To)
	case replication.Reset:
		history := make([]partitionlog.EpochStart, len(e.History))
		for i, s := range e.History {
			history[i] = partitionlog.EpochStart{Epoch: s.Epoch, Start: s.Start}
		}
		producers := make([]partitionlog.ProducerRow, len(e.Producers))
		for i, p := range e.Producers {
			producers[i] = partitionlog.ProducerRow{ID: p.ID, Value: p.State}
		}
		_, err = r.log.Reset(partitionlog.Reset{
			Generation: e.Generation, DataStart: e.DataStart, LogStart: e.LogStart, History: history, Producers: producers,
		})
	case replication.Remove:
		r.h.b.log.Info("the copy of a partition is deleted: it is not of this broker any more", "topic_id", r.id.Topic,
			"partition", r.id.Index)
		_, err = r.log.Reset(partitionlog.Reset{Generation: e.Generation})
	}
	if err != nil {
		r.h.b.log.Error("a replica's log cannot be changed", "topic_id", r.id.Topic, "partition", r.id.Index, "error", err)
	}
}

func (r *replica) alarm(e replication.Alarm) {
	r.h.b.log.Error("a replica needs an operator's look", "topic_id", r.id.Topic, "partition", r.id.Index,
		"reason", e.Reason.String(), "broker", e.Broker)
}

// reply answers a produce or a question.
func (r *replica) reply(e replication.Reply) {
	if c := r.waiting[e.ID]; c != nil {
		failpoint.Hit(failpoint.BeforeReply)
		delete(r.waiting, e.ID)
		c.result, c.end = e.Result, e.End
		close(c.done)
	}
}

// askEnd asks for the newest offset that is committed.
func (r *replica) askEnd() *commitment {
	r.mu.Lock()
	defer r.mu.Unlock()
	c := r.newCommitment()
	r.stepLocked(replication.Barrier{ID: c.id})
	return c
}

// newCommitment is one that nothing was decided about yet. Called with mu held.
func (r *replica) newCommitment() *commitment {
	r.nextID++
	c := &commitment{id: r.nextID, done: make(chan struct{})}
	r.waiting[c.id] = c
	return c
}

// forgo forgets a question whose answer nobody waits for any more.
func (r *replica) forgo(c *commitment) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.waiting, c.id)
}

// progress tells how far the replica is, and, if it leads the partition, how far its followers are.
func (r *replica) progress() (replication.Status, []replication.FollowerStatus) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.core.Status(), r.core.Followers(r.h.now())
}

// now is the time that cores are given: it never goes back.
func (h *replicas) now() time.Duration { return time.Since(h.b.started) }
