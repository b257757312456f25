package client

import (
	"slices"
)

// look finds out where to begin in partitions that were given.
func (g *GroupConsumer) look() {
	pauses := g.c.opts.pauses()
	for {
		select {
		case <-g.lookNow:
		case <-g.ctx.Done():
			return
		}
		if g.lookUp() {
			pauses.Reset()
			continue
		}
		sleep(g.ctx, pauses.NextBackOff())
		notify(g.lookNow)
	}
}

// lookUp looks up all that is given now. False: once more, after a pause.
func (g *GroupConsumer) lookUp() bool {
	g.mu.Lock()
	var ids []partitionID
	for id, ph := range g.m.owned {
		if ph == given {
			ids = append(ids, id)
		}
	}
	g.mu.Unlock()
	if len(ids) == 0 {
		return true
	}
	slices.SortFunc(ids, partitionID.compare)
	found, err := g.coord.offsets(g.ctx, g.self(), ids)
	if err != nil {
		g.c.opts.Logger.Debug("group member cannot ask for offsets", "group", g.coord.group, "error", err)
		return false
	}
	fine := true
	for len(ids) > 0 { // topic by topic
		n := 1
		for n < len(ids) && ids[n].topic == ids[0].topic {
			n++
		}
		fine = g.lookUpTopic(ids[:n], found[:n]) && fine
		ids, found = ids[n:], found[n:]
	}
	return fine
}

// beginning is where to begin in a partition; why says that there is no such place.
type beginning struct {
	offset    int64
	committed int64 // -1: nothing
	why       *Error
}

// lookUpTopic finds out where to begin in partitions of one topic. False: once more, after a pause.
func (g *GroupConsumer) lookUpTopic(ids []partitionID, found []committedOffset) bool {
	info, err := g.c.meta.byID(g.ctx, ids[0].topic, ids[len(ids)-1].index+1)
	if err != nil {
		g.c.opts.Logger.Debug("group member does not know a topic yet", "id", ids[0].topic, "error", err)
		return false
	}
	begin := make([]beginning, len(ids))
	var without []int // have no committed offset
	for i, id := range ids {
		at := where{topic: info.name, partition: id.index}
		switch {
		case found[i].why != nil && found[i].why.Retriable():
			return false
		case found[i].why != nil:
			found[i].why.Topic, found[i].why.Partition = at.topic, at.partition
			begin[i].why, begin[i].committed = found[i].why, -1
		case found[i].offset < 0:
			without = append(without, i)
		default:
			begin[i].offset, begin[i].committed = found[i].offset, found[i].offset
		}
	}
	if !g.beginWithout(info, ids, without, begin) {
		return false
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	for i, id := range ids {
		if cl := g.claims[id]; cl != nil && g.m.found(id) {
			cl.at, cl.info = place{info.name, id.index}, info
			cl.offset, cl.committed, cl.why = begin[i].offset, begin[i].committed, begin[i].why
		}
	}
	g.changed()
	return true
}

// beginWithout follows the policy for partitions without a committed offset. False: once more, after a pause.
func (g *GroupConsumer) beginWithout(info *topicInfo, ids []partitionID, without []int, begin []beginning) bool {
	if len(without) == 0 {
		return true
	}
	indexes := make([]int32, len(without))
	for n, i := range without {
		indexes[n] = ids[i].index
		begin[i].committed = -1
		if g.opts.NoOffset == NoOffsetFail {
			begin[i].why = errNoOffset(place{info.name, ids[i].index}, g.coord.group)
		}
	}
	if g.opts.NoOffset == NoOffsetFail {
		return true
	}
	start := AtStart()
	if g.opts.NoOffset == NoOffsetEnd {
		start = AtEnd()
	}
	offsets, err := g.consumer.resolve(g.ctx, info.name, start, indexes)
	if err != nil {
		g.c.opts.Logger.Debug("group member cannot look up where to begin", "topic", info.name, "error", err)
		return false
	}
	for n, i := range without {
		begin[i].offset = offsets[n]
	}
	return true
}
