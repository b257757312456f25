package group

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// Stored is what was read of a group: its node, and all nodes below "members" and "target", in any order, with
// their suffixes as in Change. Other suffixes are skipped.
type Stored struct {
	ID    string
	Node  []byte
	Below []Change
}

// Restore makes a group of what is stored. Members go on with their epochs; the time in which they are to be
// heard of begins anew; what is not where it belongs is told again. Only if the stored target is not what it
// should be, because topics changed meanwhile or a write of several multis was cut short, a new target follows.
//
// The topics must have been read after the caller became the coordinator (by a CAS of the group's node), so that
// they are not older than the stored target. The error wraps ErrCorrupt, ErrNewerFormat or ErrInvalidGroupID.
func Restore(now time.Time, s Stored, opts Options, topics *Topics) (*Group, error) {
	g, err := restore(s, opts, topics)
	if err != nil {
		return nil, fmt.Errorf("restore group %q: %w", clip(s.ID), err)
	}
	for _, m := range g.members {
		m.seen = now
		m.untold, m.work = true, true
	}
	if len(g.members) > 0 {
		g.alarm(now.Add(g.opts.SessionTimeout))
	}
	g.recover(now)
	g.settle(now)
	return g, nil
}

func restore(s Stored, opts Options, topics *Topics) (*Group, error) {
	node, err := DecodeNode(s.Node)
	if err != nil {
		return nil, err
	}
	identity := Identity{ID: s.ID, GID: node.GID, Coordinator: node.Coordinator, Created: node.Created}
	g, err := blank(identity, opts, topics)
	if err != nil {
		return nil, err
	}
	g.epoch, g.targetEpoch, g.assignor, g.history = node.Epoch, node.TargetEpoch, node.Assignor, node.History
	g.tail, g.tailLen = node.Unknown, node.UnknownLen
	var blocks []Change
	for _, c := range s.Below {
		if name, found := strings.CutPrefix(c.Suffix, membersPart+"/"); found {
			if err := g.restoreMember(name, c.Data); err != nil {
				return nil, err
			}
		} else if strings.HasPrefix(c.Suffix, targetPart+"/") {
			blocks = append(blocks, c)
		}
	}
	for _, c := range blocks {
		if err := g.restoreBlock(strings.TrimPrefix(c.Suffix, targetPart+"/"), c.Data); err != nil {
			return nil, err
		}
	}
	g.restoreLists()
	return g, nil
}

func (g *Group) restoreMember(name string, data []byte) error {
	id, ok := decodeName(name)
	if !ok || id == "" || len(id) > MaxMemberIDBytes {
		return fmt.Errorf("%w: %q is no member's path", ErrCorrupt, clip(name))
	}
	m, err := decodeMember(id, data)
	if err != nil {
		return err
	}
	g.changed.storedMembers[id] = true
	if other := g.instances[m.instance]; other != nil {
		// A static member was succeeded, and the node of the former one was not deleted yet: the newer one counts.
		older := other
		if other.epoch > m.epoch || other.epoch == m.epoch && !other.away {
			older = m
		}
		g.changed.gone[older.id] = true
		if older == m {
			return nil
		}
		g.dropPattern(other.regex)
		delete(g.members, other.id)
	}
	g.members[id] = m
	if m.instance != "" {
		g.instances[m.instance] = m
	}
	g.takePattern(m.regex)
	g.resolve(m)
	g.epoch = max(g.epoch, m.epoch)
	return nil
}

// restoreBlock takes over what is true still: members that are no more hold nothing, and topics that are no more
// have no partitions.
func (g *Group) restoreBlock(name string, data []byte) error {
	b, ok := parseBlock(name)
	if !ok {
		return fmt.Errorf("%w: %q is no block's path", ErrCorrupt, clip(name))
	}
	stored, err := decodeBlock(data)
	if err != nil {
		return err
	}
	g.changed.storedBlocks[b] = true
	t, exists := g.topics.ByID(b.topic)
	if !exists {
		g.changed.blocks[b] = true
		return nil
	}
	members := make([]*member, len(stored.ids))
	for i, id := range stored.ids {
		members[i] = g.members[id]
	}
	first := int(b.index) * blockPartitions
	if first+len(stored.parts) > int(t.Partitions) {
		return fmt.Errorf("%w: block %q holds %d partitions, topic %q has %d",
			ErrCorrupt, name, len(stored.parts), t.Name, t.Partitions)
	}
	if grow := first + len(stored.parts) - len(g.parts[b.topic]); grow > 0 {
		g.parts[b.topic] = append(g.parts[b.topic], make([]partition, grow)...)
	}
	same := !slices.Contains(members, nil)
	for i, sp := range stored.parts {
		at := Partition{b.topic, int32(first + i)}
		var target, holder *member
		if sp.target >= 0 {
			target = members[sp.target]
		}
		if sp.holder >= 0 {
			holder = members[sp.holder]
		}
		if holder != nil && holder.away {
			holder, same = nil, false
		}
		if holder != nil {
			// The block may have been written before the member's node was.
			holder.epoch = max(holder.epoch, sp.epoch)
			g.epoch = max(g.epoch, sp.epoch)
		}
		epoch := sp.epoch
		if holder == nil {
			epoch = 0
		}
		g.set(at, target, holder, epoch)
	}
	if same {
		delete(g.changed.blocks, b)
	} else {
		// Also a block of which nothing is left: a member of the same id that joins later must not find it.
		g.changed.blocks[b] = true
	}
	return nil
}

// restoreLists makes the members' lists of the partitions.
func (g *Group) restoreLists() {
	for _, id := range g.topicIDs() {
		for i, ps := range g.parts[id] {
			at := Partition{id, int32(i)}
			if ps.target != nil {
				ps.target.target = append(ps.target.target, at)
			}
			if ps.holder != nil {
				ps.holder.held = append(ps.holder.held, at)
			}
		}
	}
}

// recover computes the target that the members and topics call for. If it is the stored one, nothing happens.
func (g *Group) recover(now time.Time) {
	members := g.ordered()
	wanted := g.wantedAssignor()
	p, ids := g.problem(members)
	wanted.solve(p)
	if g.epoch == g.targetEpoch && wanted == g.assignor && g.isTarget(p, ids, members) {
		return
	}
	g.bump(now, CoordinatorRecovered, "")
	g.assign(now)
}

// isTarget tells whether the solution is what the target is already.
func (g *Group) isTarget(p *problem, ids []uint64, members []*member) bool {
	for ti, id := range ids {
		owner := p.topics[ti].owner
		if len(owner) != len(g.parts[id]) {
			return false
		}
		for i, m := range owner {
			if m == none || g.parts[id][i].target != members[m] {
				return false
			}
		}
	}
	for id, parts := range g.parts {
		if _, found := slices.BinarySearch(sortedIDs(ids), id); found {
			continue
		}
		for i := range parts {
			if parts[i].target != nil {
				return false
			}
		}
	}
	return true
}

func sortedIDs(ids []uint64) []uint64 {
	ids = slices.Clone(ids)
	slices.Sort(ids)
	return ids
}
