package group

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"
)

// pattern is a compiled subscription pattern, shared by the members that use it.
type pattern struct {
	re     *regexp.Regexp
	users  int
	topics []uint64 // that match
}

// internalPrefix starts the names that no pattern matches.
const internalPrefix = "__"

func (p *pattern) matches(name string) bool {
	return !strings.HasPrefix(name, internalPrefix) && p.re.MatchString(name)
}

// compile makes a pattern that matches whole names. The error wraps ErrInvalidRegex.
func compile(text string) (*regexp.Regexp, error) {
	if len(text) > MaxRegexBytes {
		return nil, fmt.Errorf("%w: it has %d bytes, at most %d are taken", ErrInvalidRegex, len(text), MaxRegexBytes)
	}
	if _, err := regexp.Compile(text); err != nil { // alone: it must not close the parenthesis below
		return nil, fmt.Errorf("%w: %w", ErrInvalidRegex, err)
	}
	re, err := regexp.Compile(`\A(?:` + text + `)\z`)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrInvalidRegex, err)
	}
	return re, nil
}

// takePattern counts one more user of a pattern, which was checked before.
func (g *Group) takePattern(text string) {
	if text == "" {
		return
	}
	p := g.patterns[text]
	if p == nil {
		re, err := compile(text)
		if err != nil {
			panic(fmt.Sprintf("group: pattern %q was accepted: %v", text, err))
		}
		p = &pattern{re: re}
		for _, t := range g.topics.list {
			if p.matches(t.Name) {
				p.topics = append(p.topics, t.ID)
			}
		}
		g.patterns[text] = p
	}
	p.users++
}

func (g *Group) dropPattern(text string) {
	if p := g.patterns[text]; p != nil {
		if p.users--; p.users == 0 {
			delete(g.patterns, text)
		}
	}
}

// resolve finds the topics that the member's subscription stands for, and tells whether they are others than before.
func (g *Group) resolve(m *member) (changed bool) {
	var ids []uint64
	for _, name := range m.names {
		if t, exists := g.topics.ByName(name); exists {
			ids = append(ids, t.ID)
		}
	}
	if p := g.patterns[m.regex]; p != nil {
		ids = append(ids, p.topics...)
	}
	slices.Sort(ids)
	ids = slices.Compact(ids)
	changed = !slices.Equal(ids, m.topics)
	m.topics = ids
	return changed
}

// TopicsChanged gives the group a newer view of the topics. A topic that is not in it
// any more was deleted: its partitions are nobody's at once. New topics and partitions
// that members subscribe to call for a new target. Other changes do nothing.
func (g *Group) TopicsChanged(now time.Time, topics *Topics) {
	if g.dead {
		return
	}
	old := g.topics
	g.topics = topics
	g.matchNew(old)
	var created, added, deleted []string
	subscribed := make(map[uint64]bool)
	for _, m := range g.members {
		for _, id := range m.topics {
			subscribed[id] = true
		}
		g.resolve(m)
		for _, id := range m.topics {
			subscribed[id] = true
		}
	}
	for id := range subscribed {
		was, before := old.ByID(id)
		is, after := topics.ByID(id)
		switch {
		case before && !after:
			deleted = append(deleted, was.Name)
		case after && !before:
			created = append(created, is.Name)
		case after && is.Partitions > was.Partitions:
			added = append(added, is.Name)
		}
	}
	g.dropTopics()
	for _, change := range []struct {
		reason Reason
		names  []string
	}{{TopicDeleted, deleted}, {TopicCreated, created}, {PartitionsAdded, added}} {
		if len(change.names) > 0 {
			slices.Sort(change.names)
			g.bump(now, change.reason, strings.Join(change.names, ","))
		}
	}
	g.retarget(now)
	g.settle(now)
}

// matchNew brings the patterns up to the new view: only names that are new in it are matched.
func (g *Group) matchNew(old *Topics) {
	var fresh []Topic
	for _, t := range g.topics.list {
		if was, known := old.ByID(t.ID); len(g.patterns) > 0 && (!known || was.Name != t.Name) {
			fresh = append(fresh, t)
		}
	}
	for _, p := range g.patterns {
		p.topics = slices.DeleteFunc(p.topics, func(id uint64) bool {
			t, exists := g.topics.ByID(id)
			return !exists || !p.matches(t.Name)
		})
		for _, t := range fresh {
			if p.matches(t.Name) && !slices.Contains(p.topics, t.ID) {
				p.topics = append(p.topics, t.ID)
			}
		}
	}
}

// dropTopics takes the partitions of deleted topics from everybody.
func (g *Group) dropTopics() {
	gone := make(map[uint64]bool)
	for id := range g.parts {
		if _, exists := g.topics.ByID(id); !exists {
			gone[id] = true
		}
	}
	if len(gone) == 0 {
		return
	}
	isGone := func(at Partition) bool { return gone[at.Topic] }
	for _, m := range g.members {
		m.target = slices.DeleteFunc(m.target, isGone)
		before := len(m.held)
		m.held = slices.DeleteFunc(m.held, func(at Partition) bool {
			if isGone(at) && !g.parts[at.Topic][at.Index].told.IsZero() {
				m.telling--
			}
			return isGone(at)
		})
		if len(m.held) < before {
			m.untold = true
			m.work = false
			g.wake(m)
		}
	}
	for id := range gone {
		for i := range g.parts[id] {
			g.set(Partition{id, int32(i)}, nil, nil, 0)
		}
		delete(g.parts, id)
	}
}
