package kafka

import (
	"cmp"
	"math"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// Bounds of the fetch sessions of all connections together. A client that gets no session sends its whole list each
// time.
const (
	maxSessions          = 1000
	maxSessionPartitions = 500_000
	// sessionIdle is how long a session must not have been used to make room for another.
	sessionIdle = 2 * time.Minute
)

// Epochs of a fetch that have a meaning of their own.
const (
	finalEpoch   = -1 // the whole list, and no session afterwards
	initialEpoch = 0  // the whole list, and a new session
)

// sessions keeps what clients fetch, so that they send changes only and are answered changes only (KIP-227). The zero
// value is ready. Safe for concurrent use.
type sessions struct {
	mu         sync.Mutex // guards all below, and the sessions; held for no I/O
	byID       map[int32]*session
	partitions int // of all sessions
}

// session is the list of one client.
type session struct {
	all *sessions
	id  int32
	// epoch is that of the next request.
	epoch int32
	used  time.Time
	parts []fetchPart // by topic and index; start and end are what was told last
	gone  bool        // evicted, closed or replaced
	// full: the request under way gave the whole list, and so the answer has all partitions.
	full bool
}

// open finds what a request asks for, and its session, which is nil without one. The partitions are the caller's.
func (ss *sessions) open(req *kmsg.FetchRequest) (s *session, parts []fetchPart, errCode int16) {
	ss.mu.Lock()
	defer ss.mu.Unlock()
	if req.Version < 7 || req.SessionEpoch == finalEpoch || req.SessionEpoch == initialEpoch {
		if old := ss.byID[req.SessionID]; old != nil && req.Version >= 7 {
			ss.drop(old)
		}
		parts = partsOf(req)
		if req.Version >= 7 && req.SessionEpoch == initialEpoch {
			s = ss.make(parts)
		}
		return s, parts, 0
	}
	s = ss.byID[req.SessionID]
	switch {
	case s == nil:
		return nil, nil, kerr.FetchSessionIDNotFound.Code
	case s.epoch != req.SessionEpoch:
		return nil, nil, kerr.InvalidFetchSessionEpoch.Code
	}
	s.used, s.full = time.Now(), false
	if s.epoch++; s.epoch < 0 {
		s.epoch = 1
	}
	s.change(req)
	parts = slices.Clone(s.parts)
	if len(parts) == 0 || ss.partitions > maxSessionPartitions {
		ss.drop(s)
	}
	return s, parts, 0
}

// partsOf are the partitions that a request names.
func partsOf(req *kmsg.FetchRequest) (parts []fetchPart) {
	n := 0
	for i := range req.Topics {
		n += len(req.Topics[i].Partitions)
	}
	parts = make([]fetchPart, 0, n)
	for i := range req.Topics {
		t := &req.Topics[i]
		for j := range t.Partitions {
			p := &t.Partitions[j]
			parts = append(parts, fetchPart{
				topic: t.Topic, index: p.Partition, offset: p.FetchOffset, maxBytes: p.PartitionMaxBytes,
				epoch: p.CurrentLeaderEpoch, start: -1, end: -1,
			})
		}
	}
	return parts
}

func byPlace(a, b fetchPart) int {
	return cmp.Or(cmp.Compare(a.topic, b.topic), cmp.Compare(a.index, b.index))
}

// make makes a session for the partitions; nil: there is no room. Called with mu held.
func (ss *sessions) make(parts []fetchPart) *session {
	if len(parts) == 0 || !ss.room(len(parts)) {
		return nil
	}
	s := &session{all: ss, epoch: 1, used: time.Now(), parts: slices.Clone(parts), full: true}
	s.sort()
	for s.id == 0 || ss.byID[s.id] != nil {
		s.id = rand.Int32N(math.MaxInt32)
	}
	if ss.byID == nil {
		ss.byID = make(map[int32]*session)
	}
	ss.byID[s.id] = s
	ss.partitions += len(s.parts)
	return s
}

// room makes room for one more session of n partitions, if it can.
func (ss *sessions) room(n int) bool {
	if len(ss.byID) >= maxSessions {
		var oldest *session
		for _, s := range ss.byID {
			if oldest == nil || s.used.Before(oldest.used) {
				oldest = s
			}
		}
		if time.Since(oldest.used) < sessionIdle {
			return false
		}
		ss.drop(oldest)
	}
	return ss.partitions+n <= maxSessionPartitions
}

// drop ends a session. Called with mu held; more than once is fine.
func (ss *sessions) drop(s *session) {
	if s.gone {
		return
	}
	s.gone = true
	delete(ss.byID, s.id)
	ss.partitions -= len(s.parts)
}

// change takes over what a request adds, changes and removes.
func (s *session) change(req *kmsg.FetchRequest) {
	before := len(s.parts)
	if len(req.ForgottenTopics) > 0 {
		forgotten := make(map[fetchPlace]bool)
		for i := range req.ForgottenTopics {
			t := &req.ForgottenTopics[i]
			for _, index := range t.Partitions {
				forgotten[fetchPlace{t.Topic, index}] = true
			}
		}
		s.parts = slices.DeleteFunc(s.parts, func(p fetchPart) bool { return forgotten[fetchPlace{p.topic, p.index}] })
	}
	var fresh []fetchPart
	for _, p := range partsOf(req) {
		if i, found := slices.BinarySearchFunc(s.parts, p, byPlace); found {
			known := &s.parts[i]
			known.offset, known.maxBytes, known.epoch = p.offset, p.maxBytes, p.epoch
		} else {
			fresh = append(fresh, p)
		}
	}
	if len(fresh) > 0 {
		s.parts = append(s.parts, fresh...)
		s.sort()
	}
	s.all.partitions += len(s.parts) - before
}

// sort brings the partitions into order, and keeps the last of those named twice.
func (s *session) sort() {
	slices.Reverse(s.parts)
	slices.SortStableFunc(s.parts, byPlace)
	s.parts = slices.CompactFunc(s.parts, func(a, b fetchPart) bool { return byPlace(a, b) == 0 })
}

// fetchPlace names a partition of a session.
type fetchPlace struct {
	topic string
	index int32
}

// settle notes what the client is told of its partitions, and returns the id of its session and what to answer: where
// the client had sent changes only, those with records, an error, or other bounds than it was told last.
func (s *session) settle(parts []fetchPart) (id int32, answer []fetchPart) {
	if s == nil {
		return 0, parts
	}
	s.all.mu.Lock()
	defer s.all.mu.Unlock()
	if s.gone {
		return 0, parts
	}
	full := s.full
	answer = parts[:0]
	for _, p := range parts {
		i, found := slices.BinarySearchFunc(s.parts, p, byPlace)
		if !found {
			continue
		}
		known := &s.parts[i]
		if full || p.errorCode != 0 || len(p.batches) > 0 || p.start != known.start || p.end != known.end {
			answer = append(answer, p)
		}
		known.start, known.end = p.start, p.end
		if p.errorCode != 0 {
			known.start, known.end = -1, -1 // told again when it is over
		}
	}
	return s.id, answer
}
