package broker

import (
	"errors"
	"slices"
	"time"

	"github.com/skidway/skidway/internal/failpoint"
	"github.com/skidway/skidway/partitionlog"
	"github.com/skidway/skidway/peer"
	"github.com/skidway/skidway/record"
	"github.com/skidway/skidway/replication"
	"github.com/skidway/skidway/wire"
)

// shipBytes bounds what one Data carries.
const shipBytes = 256 << 10

// address is how messages to other copies of the partition are addressed.
func (r *replica) address() peer.Partition {
	return peer.Partition{Topic: r.id.Topic, Index: r.id.Index}
}

// send gives a message to a peer. One that cannot be sent is lost: the core repeats what matters.
func (r *replica) send(e replication.Send) {
	link, ok := r.linkFor(e)
	if !ok {
		return
	}
	if m, ok := e.Message.(replication.OutOfRange); ok {
		rows, err := r.log.ProducerRows()
		if err != nil {
			r.damaged(err)
			return
		}
		for _, row := range rows {
			m.Producers = append(m.Producers, replication.Producer{ID: row.ID, State: row.Value})
		}
		e.Message = m
	}
	if err := r.h.peers.Send(link, r.address(), e.Message); err != nil && !errors.Is(err, peer.ErrNotConnected) {
		r.h.b.log.Warn("a message between brokers was not sent", "link", link.String(), "error", err)
	}
}

func (r *replica) linkFor(e replication.Send) (peer.Link, bool) {
	switch e.Message.(type) {
	case replication.Subscribe:
		class := peer.Bulk
		if r.isInSync(r.h.self.Broker) {
			class = peer.Live
		}
		link, ok := r.h.link(e.To, peer.Follower, class)
		r.link = link
		return link, ok
	case replication.Ack, replication.Drop:
		failpoint.Hit(failpoint.BeforeAck)
		return r.link, r.link.Peer == e.To
	case replication.ProbeAck:
		return r.h.link(e.To, peer.Follower, peer.Live)
	case replication.Probe:
		return r.h.link(e.To, peer.Leader, peer.Live)
	}
	link, ok := r.streams[e.To]
	return link, ok
}

// isInSync tells whether a broker's copy is a member of the ISR as far as the core knows.
func (r *replica) isInSync(broker int32) bool {
	return slices.ContainsFunc(r.core.Status().ISR, func(m replication.Member) bool { return m.Broker == broker })
}

// goLive subscribes anew, on the connection for those that are in sync, once this copy is. Until then it was on that of
// bulk copies, behind the history of others.
func (r *replica) goLive(leader int32) {
	if r.role == replication.Follower && r.link.Class == peer.Bulk && r.isInSync(r.h.self.Broker) {
		r.stepLocked(replication.Disconnected{Broker: leader})
		r.stepLocked(replication.Linked{Broker: leader})
	}
}

// receive takes what a peer sent, and gives the receipt of what was appended of it, nil if nothing was.
func (r *replica) receive(link peer.Link, m replication.Message) *partitionlog.Receipt {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.shipped = nil
	if _, ok := m.(replication.Subscribe); ok {
		r.streams[link.Peer] = link
	}
	r.stepLocked(replication.Received{From: link.Peer, Message: m})
	return r.shipped
}

// ship reads what a follower lacks and sends it, as far as there is credit. What comes from the disk for a follower
// that is far behind is read aside.
func (r *replica) ship(e replication.Ship) {
	failpoint.Hit(failpoint.BeforeShip)
	link, ok := r.streams[e.To]
	if !ok || r.reading[e.To] {
		return
	}
	room := min(r.h.peers.Credit(link), shipBytes)
	limit := r.throttle(e.To, link)
	switch {
	case room == 0:
		r.starve(link)
	case !limit.open(time.Now()): // a tick follows
	case link.Class == peer.Bulk:
		r.reading[e.To] = true
		r.h.bulk(func() {
			data, end, err := r.log.ReadAppended(nil, e.Base, room)
			limit.spend(time.Now(), len(data))
			r.h.caughtUp.Add(int64(len(data)))
			r.mu.Lock()
			defer r.mu.Unlock()
			delete(r.reading, e.To)
			r.sendData(link, e, readResult{data, end, err})
			r.stepLocked(replication.Tick{}) // and what sending it brought about, first
		})
	default:
		data, end, err := r.log.ReadAppended(nil, e.Base, room)
		r.sendData(link, e, readResult{data, end, err})
	}
}

// throttle is the limit for what a follower lacks: that of the order which moves the partition to it, or the broker's
// own; nil: none. One that is in sync is never throttled.
func (r *replica) throttle(to int32, link peer.Link) *throttle {
	if link.Class != peer.Bulk || r.isInSync(to) {
		return nil
	}
	bytes := r.h.b.cfg.Cluster.CatchUpBytes
	if ordered := r.h.member.Throttle(r.id, to); ordered > 0 {
		bytes = ordered
	}
	return r.h.throttles.of(bytes)
}

// readResult is what ReadAppended gave.
type readResult struct {
	data []byte
	end  int64
	err  error
}

// sendData sends what was read.
func (r *replica) sendData(link peer.Link, e replication.Ship, read readResult) {
	if read.err != nil {
		if errors.Is(read.err, partitionlog.ErrCorrupt) {
			r.damaged(read.err)
		}
		return
	}
	if read.end <= e.Base {
		return // not readable yet: a move follows
	}
	batches, err := splitShipped(read.data)
	if err != nil {
		r.damaged(err)
		return
	}
	err = r.h.peers.Send(link, r.address(), replication.Data{
		Epoch: e.Epoch, Stream: e.Stream, Previous: e.Previous, Base: e.Base, HW: e.HW, LogStart: e.LogStart,
		Batches: batches,
	})
	switch {
	case err == nil:
		r.events = append(r.events, replication.Shipped{To: e.To, Stream: e.Stream, End: read.end})
	case errors.Is(err, peer.ErrNoCredit):
		r.starve(link)
	}
}

// starve has the replica woken when the link has credit again. That may have come before this was noted.
func (r *replica) starve(link peer.Link) {
	r.h.starve(link, r)
	if r.h.peers.Credit(link) > 0 {
		r.events = append(r.events, replication.Tick{})
	}
}

// splitShipped makes the core's batches of what was read.
func splitShipped(data []byte) ([]replication.Batch, error) {
	var out []replication.Batch
	for len(data) > 0 {
		first, rest, err := partitionlog.DecodeShipped(data)
		if err != nil {
			return nil, err
		}
		out = append(out, replication.Batch{
			Base: first.Batch.BaseOffset(), End: first.Batch.LastOffset() + 1, Epoch: first.Batch.LeaderEpoch(),
			Bytes: data[:len(data)-len(rest)],
		})
		data = rest
	}
	return out, nil
}

// append appends what a leader shipped. A leader's own appends are in the log before the core hears of them.
func (r *replica) append(e replication.Append) {
	if r.core.Status().Role == replication.Leader {
		return
	}
	batches := make([]partitionlog.Shipped, 0, len(e.Batches))
	for _, b := range e.Batches {
		s, rest, err := partitionlog.DecodeShipped(b.Bytes)
		if err == nil && (len(rest) > 0 || s.Batch.BaseOffset() != b.Base || s.Batch.LastOffset()+1 != b.End ||
			s.Batch.LeaderEpoch() != b.Epoch) {
			err = errors.New("a shipped batch is not what was announced")
		}
		if err != nil {
			r.notAppended(e, err)
			return
		}
		batches = append(batches, s)
	}
	receipt, err := r.log.AppendShipped(e.Generation, batches)
	if err != nil {
		r.notAppended(e, err)
		return
	}
	r.shipped = &receipt
}

// notAppended tells the core that the log does not hold what it takes for appended.
func (r *replica) notAppended(e replication.Append, err error) {
	r.h.b.log.Warn("a replica does not take what its leader sends; it asks again", "topic_id", r.id.Topic,
		"partition", r.id.Index, "error", err)
	r.events = append(r.events, replication.Rejected{Generation: e.Generation})
}

// damaged says that the log cannot be trusted any more, durably first.
func (r *replica) damaged(err error) {
	r.h.b.log.Error("a replica's log is damaged; it is rebuilt from its leader once nobody counts on it",
		"topic_id", r.id.Topic, "partition", r.id.Index, "error", err)
	receipt, err := r.log.MarkVoid()
	if err != nil {
		return
	}
	r.h.b.linger.add(receipt, func() { r.step(replication.Damaged{}) })
}

// produce appends a client's batch in the role of the leader. The commitment is done when as many replicas hold it as
// the acks say.
func (r *replica) produce(
	b record.Batch, o partitionlog.AppendOptions, acks int8,
) (partitionlog.Receipt, *commitment, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	all, records := acks == wire.AcksAll, int64(b.LastOffsetDelta())+1
	if result := r.core.Refuses(all, records); result != 0 {
		return partitionlog.Receipt{}, nil, r.h.refusal(r.id, result)
	}
	o.Generation = r.core.Status().Generation
	receipt, err := r.log.Append(b, o)
	if err != nil {
		return partitionlog.Receipt{}, nil, err
	}
	c := r.newCommitment()
	p := replication.Produce{ID: c.id, Records: records, All: all}
	if receipt.Duplicate {
		p.Duplicate = receipt.Last + 1
	}
	r.stepLocked(p)
	return receipt, c, nil
}
