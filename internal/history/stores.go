package history

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"iter"
	"maps"
	"slices"

	"github.com/skidway/skidway/kv"
	"github.com/skidway/skidway/partitionlog"
	"github.com/skidway/skidway/record"
)

// ReplicaLog says what CompareStores is to find of one partition.
type ReplicaLog struct {
	Log     kv.Partition
	Brokers []int32 // that hold it; all that are given, if empty
	// End is known to be committed: all replicas must hold the same below it, and hold all of that. 0: it is not known,
	// and they are compared below the least high watermark of the stores, which may lie far back after a crash.
	End int64
}

// CompareStores compares the replicas of partitions in the stores of brokers that have stopped, by their directories:
// below the committed end their batches must be the same, byte by byte, and the epochs that they tell of, too. The
// stores are opened, which counts as a start of each: compare at the end of a test. The error is about a store that
// cannot be read.
func CompareStores(dirs map[int32]string, logs ...ReplicaLog) (found []Finding, err error) {
	stores := make(map[int32]*kv.Store)
	defer func() {
		for _, s := range stores {
			err = errors.Join(err, s.Close())
		}
	}()
	for _, id := range slices.Sorted(maps.Keys(dirs)) {
		s, err := kv.Open(kv.Options{Dir: dirs[id], Role: kv.RoleAny})
		if err != nil {
			return nil, fmt.Errorf("history: the store of broker %d: %w", id, err)
		}
		stores[id] = s
	}
	for _, l := range logs {
		if len(l.Brokers) == 0 {
			l.Brokers = slices.Sorted(maps.Keys(dirs))
		}
		c := comparison{log: l, bound: l.End}
		for _, id := range l.Brokers {
			if stores[id] == nil {
				return nil, fmt.Errorf("history: %v: the directory of broker %d is not given", l.Log, id)
			}
			if err := c.open(id, stores[id]); err != nil {
				return nil, fmt.Errorf("history: %v in the store of broker %d: %w", l.Log, id, err)
			}
		}
		if err := c.run(); err != nil {
			return nil, fmt.Errorf("history: %v: %w", l.Log, err)
		}
		found = append(found, c.found...)
	}
	return found, nil
}

// comparison is that of one partition.
type comparison struct {
	log      ReplicaLog
	replicas []replica
	bound    int64 // what lies below is compared
	found    []Finding
}

// replica is one store's part.
type replica struct {
	broker int32
	store  *kv.Store
	stored partitionlog.Stored
}

// open takes a store in.
func (c *comparison) open(broker int32, s *kv.Store) error {
	l, err := partitionlog.New(s, partitionlog.Options{}).Log(c.log.Log)
	if err != nil {
		return err
	}
	stored, err := l.Replicate(partitionlog.NewMoves())
	c.replicas = append(c.replicas, replica{broker, s, stored})
	return err
}

func (c *comparison) find(a Anomaly, offset int64, format string, args ...any) {
	c.found = append(c.found, Finding{Anomaly: a, Partition: c.log.Log.Index, Offset: offset,
		Note: fmt.Sprintf("topic %d: ", c.log.Log.Topic) + fmt.Sprintf(format, args...)})
}

func (c *comparison) run() error {
	least := slices.MinFunc(c.replicas, func(a, b replica) int {
		return cmp.Compare(a.stored.HighWatermark, b.stored.HighWatermark)
	})
	c.bound = max(c.bound, least.stored.HighWatermark)
	for _, r := range c.replicas {
		if r.stored.End < c.bound {
			c.find(ShortReplica, r.stored.End, "broker %d holds the log up to offset %d of the %d that are committed", r.broker,
				r.stored.End, c.bound)
		}
		if r.stored.Void {
			c.find(ShortReplica, None, "broker %d has found its log damaged", r.broker)
		}
	}
	for _, r := range c.replicas[1:] {
		c.compareHistories(c.replicas[0], r)
		if err := c.compareBatches(c.replicas[0], r); err != nil {
			return err
		}
	}
	return nil
}

// compareHistories holds that two stores tell of the same epochs of what is committed and both still hold.
func (c *comparison) compareHistories(a, b replica) {
	from := max(a.stored.DataStart, b.stored.DataStart)
	committed := func(r replica) (list []partitionlog.EpochStart) {
		for i, e := range r.stored.History {
			last := i+1 == len(r.stored.History)
			if e.Start < c.bound && (last || r.stored.History[i+1].Start > from) {
				list = append(list, partitionlog.EpochStart{Epoch: e.Epoch, Start: max(e.Start, from)})
			}
		}
		return list
	}
	x, y := committed(a), committed(b)
	if slices.Equal(x, y) {
		return
	}
	offset := int64(None)
	for i := range min(len(x), len(y)) {
		if x[i] != y[i] {
			offset = min(x[i].Start, y[i].Start)
			break
		}
	}
	c.find(EpochHistory, offset, "broker %d has the epochs %v, broker %d has %v", a.broker, x, b.broker, y)
}

// compareBatches holds that two stores have the same batches of what is committed and both still hold.
func (c *comparison) compareBatches(a, b replica) error {
	from := max(a.stored.DataStart, b.stored.DataStart)
	var errs [2]error
	x, stopX := iter.Pull(batches(a.store, c.log.Log, from, &errs[0]))
	defer stopX()
	y, stopY := iter.Pull(batches(b.store, c.log.Log, from, &errs[1]))
	defer stopY()
	for {
		left, l := x()
		right, r := y()
		if err := errors.Join(errs[0], errs[1]); err != nil {
			return err
		}
		l, r = l && left.LastOffset() < c.bound, r && right.LastOffset() < c.bound
		switch {
		case !l && !r:
			return nil
		case l && r && bytes.Equal(left, right):
			continue
		}
		c.find(Divergence, min(baseOf(left, l), baseOf(right, r)), "broker %d has %s, broker %d has %s", a.broker,
			describe(left, l), b.broker, describe(right, r))
		return nil // what follows differs, too, and tells nothing more
	}
}

// batches are those of a partition that reach an offset; each is good until the next.
func batches(s *kv.Store, p kv.Partition, from int64, err *error) iter.Seq[record.Batch] {
	return func(yield func(record.Batch) bool) {
		*err = s.Batches(p, from, func(_ int64, b []byte) bool { return yield(record.Batch(b)) })
	}
}

func baseOf(b record.Batch, there bool) int64 {
	if !there {
		return 1<<63 - 1
	}
	return b.BaseOffset()
}

// describe says what a batch is.
func describe(b record.Batch, there bool) string {
	if !there {
		return "nothing"
	}
	return fmt.Sprintf("%d bytes at the offsets %d to %d of epoch %d, CRC %08x, of producer %d", len(b), b.BaseOffset(),
		b.LastOffset(), b.LeaderEpoch(), b.CRC(), b.ProducerID())
}
