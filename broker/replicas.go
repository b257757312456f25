package broker

import (
	"context"
	"errors"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/skidway/skidway/cluster"
	"github.com/skidway/skidway/kv"
	"github.com/skidway/skidway/partitionlog"
	"github.com/skidway/skidway/peer"
	"github.com/skidway/skidway/record"
	"github.com/skidway/skidway/replication"
	"github.com/skidway/skidway/wire"
)

// replicas runs this broker's copies of the cluster's partitions. What happens comes in over four channels, each with
// one goroutine: the membership's news, the peers' events, the logs' moves, and time for those replicas that need it.
// No partition has a goroutine, a timer or a channel of its own. Safe for concurrent use.
type replicas struct {
	b      *Broker
	self   replication.Member
	member *cluster.Member
	peers  *peer.Transport
	moves  *partitionlog.Moves

	epoch  atomic.Int32  // of the broker's registration; cluster.Fenced: none
	calls  atomic.Uint64 // numbers the calls to other brokers
	writes chan struct{} // a place for each write of a state under way
	reads  chan struct{} // a place for each read of the disk for a follower under way
	aside  sync.WaitGroup

	throttles throttles
	caughtUp  atomic.Int64 // bytes shipped on connections for bulk copies
	elections atomic.Int64 // leaderships taken up
	expands   atomic.Int64 // changes of the ISR by this broker, as leader
	shrinks   atomic.Int64
	touched   atomic.Pointer[touch] // nil: not registered yet

	mu      sync.RWMutex // guards what follows; nothing is locked under it
	byID    map[cluster.PartitionID]*replica
	byLog   map[*partitionlog.Log]*replica
	links   map[linkKey]peer.Link
	starved map[peer.Link][]*replica // wait for credit
	busy    []*replica               // need ticks
	dialled map[int32]string         // brokers that are dialled, and where
}

// linkKey names a link by what it is for.
type linkKey struct {
	peer  int32
	side  peer.Side
	class peer.Class
}

const (
	stateWrites = 32 // writes of partition states under way
	bulkReads   = 4  // reads of the disk for followers that are far behind
	// replicaTick is how often replicas with something under way are given the time.
	replicaTick = 100 * time.Millisecond
	// stateWriteTimeout is after how long a write of a state counts as of unknown outcome.
	stateWriteTimeout = 10 * time.Second
)

func newReplicas(b *Broker, member *cluster.Member, peers *peer.Transport, self replication.Member) *replicas {
	h := &replicas{
		b: b, self: self, member: member, peers: peers, moves: partitionlog.NewMoves(),
		writes: make(chan struct{}, stateWrites), reads: make(chan struct{}, bulkReads),
		byID: make(map[cluster.PartitionID]*replica), byLog: make(map[*partitionlog.Log]*replica),
		links: make(map[linkKey]peer.Link), starved: make(map[peer.Link][]*replica), dialled: make(map[int32]string),
	}
	h.epoch.Store(cluster.Fenced)
	return h
}

// run carries the events to the replicas until ctx ends.
func (h *replicas) run(ctx context.Context) {
	var loops sync.WaitGroup
	for _, loop := range []func(context.Context){h.followNews, h.followPeers, h.followMoves, h.followTime} {
		loops.Go(func() { loop(ctx) })
	}
	loops.Wait()
	h.aside.Wait()
}

// replica finds this broker's copy of a partition; nil: it has none, as far as it knows.
func (h *replicas) replica(id cluster.PartitionID) *replica {
	h.mu.RLock()
	defer h.mu.RUnlock()
	return h.byID[id]
}

func (h *replicas) all() []*replica {
	h.mu.RLock()
	defer h.mu.RUnlock()
	list := make([]*replica, 0, len(h.byID))
	for _, r := range h.byID {
		list = append(list, r)
	}
	return list
}

// leader tells who leads a partition, and in which epoch; -1: nobody.
func (h *replicas) leader(id cluster.PartitionID) (broker, epoch int32) {
	p, there := h.member.Partition(id)
	if !there {
		return replication.NoLeader, -1
	}
	return p.State.Leader, p.State.LeaderEpoch
}

// leads tells whether this broker serves the partition to clients.
func (h *replicas) leads(id cluster.PartitionID) bool {
	r := h.replica(id)
	return r != nil && r.leads.Load()
}

// trimmed has the start of a log that this broker leads told to its followers, if it was raised.
func (h *replicas) trimmed(id cluster.PartitionID) {
	if r := h.replica(id); r != nil && r.leads.Load() {
		r.trimmed()
	}
}

// produce appends a client's batch to a partition that this broker leads.
func (h *replicas) produce(
	id cluster.PartitionID, b record.Batch, o partitionlog.AppendOptions, acks int8,
) (partitionlog.Receipt, *commitment, error) {
	r := h.replica(id)
	if r == nil {
		return partitionlog.Receipt{}, nil, h.notLeader(id)
	}
	return r.produce(b, o, acks)
}

// notLeader is what clients are told of a partition that they have to ask elsewhere for.
func (h *replicas) notLeader(id cluster.PartitionID) *wire.Error {
	leader, epoch := h.leader(id)
	switch {
	case leader == replication.NoLeader:
		return wire.Errorf(wire.CodeNotLeader, "the partition has no leader now")
	case leader == h.self.Broker:
		return wire.Errorf(wire.CodeNotLeader, "this broker is about to lead the partition, in epoch %d", epoch)
	}
	return wire.Errorf(wire.CodeNotLeader, "broker %d leads the partition, in epoch %d", leader, epoch)
}

// refusal is what a client is told whose records were not taken, or may not have been.
func (h *replicas) refusal(id cluster.PartitionID, result replication.Result) *wire.Error {
	switch result {
	case replication.ResultNotEnoughReplicas:
		p, _ := h.member.Partition(id)
		inSync := memberIDs(p.State.ISR)
		lacking := slices.DeleteFunc(slices.Clone(p.State.Replicas), func(broker int32) bool {
			return slices.Contains(inSync, broker)
		})
		return wire.Errorf(wire.CodeNotEnoughReplicas,
			"%d of %d replicas are in sync, and min_in_sync is %d; those on brokers %v are not", len(inSync),
			len(p.State.Replicas), p.State.MinISR, lacking)
	case replication.ResultUnknown:
		return wire.Errorf(wire.CodeTimedOut,
			"the leadership moved before enough replicas held the records; whether they will is unknown")
	}
	return h.notLeader(id)
}

// forget lets go of all copies of a topic that is deleted, and answers who waits for what they lead.
func (h *replicas) forget(topic uint64) {
	var gone []*replica
	h.mu.Lock()
	for id, r := range h.byID {
		if id.Topic == topic {
			delete(h.byID, id)
			delete(h.byLog, r.log)
			gone = append(gone, r)
		}
	}
	h.mu.Unlock()
	for _, r := range gone {
		r.step(replication.TopicDeleted{})
	}
}

func (h *replicas) link(broker int32, side peer.Side, class peer.Class) (peer.Link, bool) {
	h.mu.RLock()
	defer h.mu.RUnlock()
	l, ok := h.links[linkKey{broker, side, class}]
	return l, ok
}

// starve notes that a replica waits for a link's credit.
func (h *replicas) starve(link peer.Link, r *replica) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if !slices.Contains(h.starved[link], r) {
		h.starved[link] = append(h.starved[link], r)
	}
}

// keepBusy notes that a replica needs ticks.
func (h *replicas) keepBusy(r *replica) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.busy = append(h.busy, r)
}

// bulk runs a read of the disk aside.
func (h *replicas) bulk(read func()) {
	h.aside.Go(func() {
		h.reads <- struct{}{}
		defer func() { <-h.reads }()
		read()
	})
}

// write carries out a WriteState aside. Called with r.mu held.
func (h *replicas) write(r *replica, w replication.WriteState) {
	epoch, before := h.epoch.Load(), len(r.core.Status().ISR)
	h.aside.Go(func() {
		h.writes <- struct{}{}
		defer func() { <-h.writes }()
		ctx, cancel := context.WithTimeout(context.Background(), stateWriteTimeout)
		defer cancel()
		outcome := h.member.Write(ctx, r.id, epoch, w)
		switch after := len(w.State.ISR); {
		case outcome == replication.OutcomeOK && after > before:
			h.expands.Add(1)
		case outcome == replication.OutcomeOK && after < before:
			h.shrinks.Add(1)
		}
		r.step(replication.Written{Seq: w.Seq, Outcome: outcome})
	})
}

// reread carries out a ReadState aside.
func (h *replicas) reread(r *replica) {
	h.aside.Go(func() {
		h.writes <- struct{}{}
		defer func() { <-h.writes }()
		ctx, cancel := context.WithTimeout(context.Background(), stateWriteTimeout)
		defer cancel()
		p, there, err := h.member.Read(ctx, r.id)
		switch {
		case err != nil:
			h.b.log.Warn("a partition's state could not be read; it is tried again", "topic_id", r.id.Topic,
				"partition", r.id.Index, "error", err)
		case there: // if not, the news tell
			r.step(replication.StateRead{State: p.State, Version: p.Version, Newest: true})
		}
	})
}

// followTime gives the time to the replicas that need it.
func (h *replicas) followTime(ctx context.Context) {
	ticker := time.NewTicker(replicaTick)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		h.mu.Lock()
		busy := h.busy
		h.busy = nil
		h.mu.Unlock()
		for _, r := range busy {
			if r.tick() {
				h.keepBusy(r)
			}
		}
	}
}

// followMoves tells the replicas how far their logs have got.
func (h *replicas) followMoves(ctx context.Context) {
	var moves []partitionlog.Move
	for {
		select {
		case <-ctx.Done():
			return
		case <-h.moves.C():
		}
		moves = h.moves.Take(moves[:0])
		for _, m := range moves {
			h.mu.RLock()
			r := h.byLog[m.Log]
			h.mu.RUnlock()
			if r != nil {
				r.moved(m)
			}
		}
		clear(moves)
	}
}

// followPeers takes what comes over the links.
func (h *replicas) followPeers(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-h.peers.Ready():
		}
		for _, ev := range h.peers.Events() {
			h.peerEvent(ctx, ev)
		}
	}
}

func (h *replicas) peerEvent(ctx context.Context, ev peer.Event) {
	switch ev := ev.(type) {
	case peer.Connected:
		h.mu.Lock()
		h.links[linkKey{ev.Link.Peer, ev.Link.Side, ev.Link.Class}] = ev.Link
		h.mu.Unlock()
		if ev.Link.Side == peer.Follower {
			h.member.PeerSaid(ctx, replication.PeerSaid{
				Broker: ev.Peer.Broker, BrokerEpoch: ev.Peer.Epoch, ControllerEpoch: replication.NoEpoch,
			})
			h.tellAll(replication.Linked{Broker: ev.Link.Peer})
			h.announce()
		}
	case peer.Disconnected:
		h.disconnected(ev)
	case peer.Received:
		h.received(ev)
	case peer.CreditBack:
		h.mu.Lock()
		list := h.starved[ev.Link]
		delete(h.starved, ev.Link)
		h.mu.Unlock()
		for _, r := range list {
			r.step(replication.Tick{})
		}
	case peer.Refused:
		h.member.PeerRefused(ctx, replication.PeerRefused{Broker: ev.Peer.Broker})
	case peer.Called:
		h.called(ctx, ev)
	}
}

func (h *replicas) disconnected(ev peer.Disconnected) {
	key := linkKey{ev.Link.Peer, ev.Link.Side, ev.Link.Class}
	h.mu.Lock()
	if h.links[key] == ev.Link {
		delete(h.links, key)
	}
	delete(h.starved, ev.Link)
	h.mu.Unlock()
	h.b.log.Info("a link between brokers is down", "link", ev.Link.String(), "why", ev.Why)
	for _, r := range h.all() {
		r.disconnected(ev.Link)
	}
}

// disconnected tells the core that its stream with a peer is over, if that was on the link.
func (r *replica) disconnected(link peer.Link) {
	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case link.Side == peer.Follower && r.link == link:
	case link.Side == peer.Leader && r.streams[link.Peer] == link:
		delete(r.streams, link.Peer)
	default:
		return
	}
	r.stepLocked(replication.Disconnected{Broker: link.Peer})
}

func (h *replicas) tellAll(ev replication.Event) {
	for _, r := range h.all() {
		r.step(ev)
	}
}

// received gives messages to their replicas. The credit of records goes back when they are durable, so that a disk that
// is slower than the peers bounds what they send.
func (h *replicas) received(ev peer.Received) {
	var last *partitionlog.Receipt
	for _, m := range ev.Messages {
		r := h.replica(cluster.PartitionID{Topic: m.Partition.Topic, Index: m.Partition.Index})
		if r == nil {
			continue // a state that this broker has not read yet: who sent it repeats it
		}
		if receipt := r.receive(ev.Link, m.Message); receipt != nil {
			last = receipt
		}
	}
	switch {
	case ev.Data == 0:
	case last != nil:
		h.b.linger.add(*last, func() { h.peers.Release(ev.Link, ev.Data) })
	default:
		h.peers.Release(ev.Link, ev.Data)
	}
}

// followNews takes what the membership has learnt.
func (h *replicas) followNews(ctx context.Context) {
	suspect, complete, joined := false, false, false
	for {
		select {
		case <-ctx.Done():
			return
		case <-h.member.Ready():
		}
		news := h.member.Take()
		if news.Topics {
			complete = h.b.takeTopics(ctx)
		}
		if before := h.epoch.Swap(news.Epoch); before != news.Epoch {
			h.registered(before, news.Epoch)
			suspect = false
		}
		if complete && !joined && news.Epoch != cluster.Fenced {
			joined = true
			close(h.b.joined)
		}
		if news.Epoch != cluster.Fenced || h.touched.Load() != nil {
			h.noteTouch(news.Epoch != cluster.Fenced, news.Suspect)
		}
		if news.Suspect != suspect {
			suspect = news.Suspect
			h.tellAll(replication.Suspected{Suspect: suspect})
		}
		for _, refusal := range news.Refusals {
			h.report(refusal)
		}
		if news.Brokers {
			h.dial()
			h.announce()
			h.b.groups.reconsider()
		}
		for _, id := range news.Partitions {
			h.partitionNews(id)
		}
	}
}

// registered tells the cores that the broker's registration is another.
func (h *replicas) registered(before, now int32) {
	if before != cluster.Fenced {
		h.tellAll(replication.Fenced{})
	}
	if err := h.peers.Renew(now); err != nil && !errors.Is(err, peer.ErrClosed) {
		h.b.log.Error("links between brokers cannot be made", "error", err)
	}
	if now != cluster.Fenced {
		h.tellAll(replication.Registered{BrokerEpoch: now})
	}
}

// dial keeps links to all brokers that are there.
func (h *replicas) dial() {
	there := make(map[int32]string)
	for _, r := range h.member.Brokers() {
		if r.Member.Broker != h.self.Broker {
			there[r.Member.Broker] = r.Peer
		}
	}
	for id, address := range there {
		if h.dialled[id] == address {
			continue
		}
		if err := h.peers.Connect(id, address); err != nil {
			h.b.log.Error("a broker cannot be dialled", "broker", id, "address", address, "error", err)
		}
	}
	for id := range h.dialled {
		if _, ok := there[id]; !ok {
			h.peers.Disconnect(id)
		}
	}
	h.dialled = there
}

// partitionNews takes a partition's state to its replica, which is made if there is none.
func (h *replicas) partitionNews(id cluster.PartitionID) {
	r := h.replica(id)
	if r == nil {
		p, there := h.member.Partition(id)
		if !there || !p.State.Lists(h.self.Broker) && !h.holds(id) {
			return
		}
		var err error
		if r, err = h.make(id); err != nil {
			h.b.log.Error("a replica cannot be opened", "topic_id", id.Topic, "partition", id.Index, "error", err)
			return
		}
	}
	r.read()
}

// holds tells whether the store has anything of a partition, which may have gone to other brokers while this one was
// away.
func (h *replicas) holds(id cluster.PartitionID) bool {
	has, err := h.b.store.Meta(kv.Partition{Topic: id.Topic, Index: id.Index}, func([]byte) {})
	return has && err == nil
}

// make opens a replica.
func (h *replicas) make(id cluster.PartitionID) (*replica, error) {
	log, err := h.b.logs.Log(kv.Partition{Topic: id.Topic, Index: id.Index})
	if err != nil {
		return nil, err
	}
	stored, err := log.Replicate(h.moves)
	if err != nil {
		return nil, err
	}
	history := historyOf(stored.History)
	r := &replica{
		h: h, id: id, log: log, version: -1, start: stored.LogStart, data: stored.DataStart,
		waiting: make(map[uint64]*commitment),
		streams: make(map[int32]peer.Link), reading: make(map[int32]bool),
		core: replication.NewReplica(replication.Options{Self: h.self}, replication.Stored{
			Generation: stored.Generation, Promised: stored.Promised, LogStart: stored.LogStart,
			DataStart: stored.DataStart, End: stored.End, HighWatermark: stored.HighWatermark, History: history,
			Void: stored.Void,
		}),
	}
	h.mu.Lock()
	h.byID[id], h.byLog[log] = r, r
	h.mu.Unlock()
	if epoch := h.epoch.Load(); epoch != cluster.Fenced {
		r.step(replication.Registered{BrokerEpoch: epoch})
	}
	return r, nil
}
