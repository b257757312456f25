package broker

import (
	"hash/fnv"
	"slices"
	"strconv"

	"github.com/skidway/skidway/cluster"
	"github.com/skidway/skidway/group"
	"github.com/skidway/skidway/metadata"
	"github.com/skidway/skidway/wire"
)

// identity is what this broker writes into the groups that it coordinates.
func (c *coordinator) identity() group.Coordinator {
	if c.b.replicas == nil {
		return group.Coordinator{Broker: c.b.cfg.NodeID, Epoch: int64(c.b.store.Identity().LeaderEpoch)}
	}
	return group.Coordinator{Broker: c.b.cfg.NodeID, Epoch: int64(c.b.replicas.epoch.Load())}
}

// coordinators are the brokers that are there and may coordinate groups: if some serve Kafka's clients, only those, for
// such a client cannot reach another one.
func (b *Broker) coordinators() []wire.Broker {
	if b.member == nil {
		return b.brokers()
	}
	list := b.member.Brokers()
	serves := func(r cluster.Registration) bool { return r.Kafka != "" }
	if slices.ContainsFunc(list, serves) {
		list = slices.DeleteFunc(list, func(r cluster.Registration) bool { return !serves(r) })
	}
	return brokersOf(list)
}

// place tells which broker coordinates a group: the one of the coordinators for which a hash of both is the
// highest, so that only the groups of a broker that comes or goes move (rendezvous hashing). All brokers find the same,
// as soon as they know of the same brokers; while they do not, the version of the group's node lets one of them write.
// ok is false while no broker is there, as far as this one knows.
func (b *Broker) place(id string) (owner wire.Broker, ok bool) {
	brokers := b.coordinators()
	if len(brokers) == 1 {
		return brokers[0], true
	}
	best := uint64(0)
	for _, candidate := range brokers {
		h := fnv.New64a()
		_, _ = h.Write([]byte(strconv.Itoa(int(candidate.ID)) + "/" + id)) // never fails
		// FNV's last bytes move its high bits little: they are mixed once more.
		score := h.Sum64() * 0x9E3779B97F4A7C15
		score ^= score >> 32
		if !ok || score > best {
			owner, best, ok = candidate, score, true
		}
	}
	return owner, ok
}

// mine is nil if this broker coordinates the group, or what a client is told.
func (c *coordinator) mine(id string) error {
	if c.b.member == nil {
		return nil
	}
	if _, loaded := c.b.member.Topics(); !loaded {
		return wire.Errorf(wire.CodeGroupUnavailable, "group %q: this broker has just joined its cluster; try again", id)
	}
	owner, ok := c.b.place(id)
	switch {
	case !ok:
		return wire.Errorf(wire.CodeGroupUnavailable, "group %q has no coordinator now; try again", id)
	case owner.ID != c.b.cfg.NodeID:
		return wire.Errorf(wire.CodeNotCoordinator, "group %q is coordinated by broker %d", id, owner.ID)
	}
	return nil
}

// reconsider has the groups looked at anew: brokers came or went.
func (c *coordinator) reconsider() {
	select {
	case c.moved <- struct{}{}:
	default:
	}
}

// disown lets go of the groups that are another broker's now.
func (c *coordinator) disown() {
	for _, h := range c.all() {
		if err := c.mine(h.id); err != nil {
			h.mu.Lock()
			if h.lost == nil {
				h.lose(err)
			}
			h.mu.Unlock()
		}
	}
}

// gone tells whether a topic is deleted for certain. In a cluster its absence from what this broker knows says nothing,
// for it may be newer than that (R6).
func (c *coordinator) gone(topic uint64) bool {
	if c.b.member == nil {
		return c.b.topics.id(topic) == nil
	}
	return c.b.deleted.has(topic)
}

// confirmed is a write after which it is certain that this broker coordinated the group when it was asked for; nil
// where no other broker could. Called with mu held, and followed by leave.
func (h *hostedGroup) confirmed() *groupWrite {
	if h.c.b.member == nil {
		return nil
	}
	w := h.gathered()
	w.check = true
	return w
}

// check is the request that only looks whether this broker still is the coordinator.
func (h *hostedGroup) check() []metadata.Op {
	return []metadata.Op{metadata.Check(group.Path(h.id), h.saved)}
}
