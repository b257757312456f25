package group

import (
	"fmt"
	"maps"
	"slices"

	"github.com/skidway/skidway/metadata"
)

// Change is one node to be written or deleted.
type Change struct {
	Suffix string // of the path, below the group's node: "members/..."; empty: the group's node itself
	Data   []byte // nil: the node is to be deleted
}

// Path returns the whole path of the node.
func (c Change) Path(groupID string) string {
	if c.Suffix == "" {
		return Path(groupID)
	}
	return Path(groupID) + "/" + c.Suffix
}

// changes are the nodes that differ from what is stored.
type changes struct {
	group   bool
	members map[string]bool // to be written
	blocks  map[block]bool  // to be written, or deleted when nothing is in them
	// Nodes that are there: only they are deleted.
	storedMembers map[string]bool
	storedBlocks  map[block]bool
	gone          map[string]bool // members to be deleted
}

func newChanges() changes {
	return changes{
		members: make(map[string]bool), blocks: make(map[block]bool),
		storedMembers: make(map[string]bool), storedBlocks: make(map[block]bool), gone: make(map[string]bool),
	}
}

// forget says that a member is no more.
func (c *changes) forget(id string) {
	delete(c.members, id)
	if c.storedMembers[id] {
		c.gone[id] = true
	}
}

// Dirty tells whether Changes would return anything: whether there is something that an answer has to wait for.
func (g *Group) Dirty() bool {
	c := &g.changed
	return g.dead || c.group || len(c.members) > 0 || len(c.blocks) > 0 || len(c.gone) > 0
}

// Changes returns, and forgets, the nodes that differ from what the calls before returned: one change a node,
// however many requests it was changed by. They are to be written in this order: the group's node, members, those
// that are no more, blocks of the target. Where they are more than one multi takes (see Split), a crash between two
// of them leaves a state that Restore makes good: a member is gone before what it held is said to be free. A node
// that is new has to be created, any other one set.
func (g *Group) Changes() []Change {
	c := &g.changed
	if g.dead {
		return g.deletions()
	}
	var list []Change
	if c.group {
		list = append(list, Change{"", g.encodeNode()})
	}
	for _, id := range slices.Sorted(maps.Keys(c.members)) {
		delete(c.gone, id)
		c.storedMembers[id] = true
		list = append(list, Change{memberSuffix(id), encodeMember(g.members[id])})
	}
	for _, id := range slices.Sorted(maps.Keys(c.gone)) {
		delete(c.storedMembers, id)
		list = append(list, Change{memberSuffix(id), nil})
	}
	var empty []block
	for _, b := range slices.SortedFunc(maps.Keys(c.blocks), block.compare) {
		if data := g.encodeBlock(b); data != nil {
			c.storedBlocks[b] = true
			list = append(list, Change{targetSuffix(b), data})
		} else if c.storedBlocks[b] {
			delete(c.storedBlocks, b)
			empty = append(empty, b)
		}
	}
	for _, b := range empty {
		list = append(list, Change{targetSuffix(b), nil})
	}
	c.group = false
	clear(c.members)
	clear(c.blocks)
	clear(c.gone)
	return list
}

// deletions are the changes of a group that was deleted: all of its nodes, children first.
func (g *Group) deletions() (list []Change) {
	c := &g.changed
	for _, b := range slices.SortedFunc(maps.Keys(c.storedBlocks), block.compare) {
		list = append(list, Change{targetSuffix(b), nil})
	}
	for _, id := range slices.Sorted(maps.Keys(c.storedMembers)) {
		list = append(list, Change{memberSuffix(id), nil})
	}
	directories := Directories(g.identity.GID)
	slices.Reverse(directories)
	for _, d := range directories {
		list = append(list, Change{d, nil})
	}
	return append(list, Change{"", nil})
}

// splitReserve is what Split leaves of a multi's size for the caller's own operations.
const (
	splitReserveBytes = 4 << 10
	splitReserveOps   = 20
	opOverhead        = 64
)

// Split cuts changes into runs each of which fits one multi of the metadata store, beside a few more operations
// such as the check of the group's node. The order is kept.
func Split(groupID string, list []Change) (runs [][]Change) {
	start, size := 0, 0
	for i, c := range list {
		add := len(c.Path(groupID)) + len(c.Data) + opOverhead
		if len(c.Data) > metadata.MaxNodeBytes-splitReserveBytes {
			panic(fmt.Sprintf("group: node %q of %d bytes", c.Suffix, len(c.Data)))
		}
		full := size+add > metadata.MaxMultiBytes-splitReserveBytes || i-start >= metadata.MaxMultiOps-splitReserveOps
		if full && i > start {
			runs = append(runs, list[start:i])
			start, size = i, 0
		}
		size += add
	}
	if start < len(list) {
		runs = append(runs, list[start:])
	}
	return runs
}
