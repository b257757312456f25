package partitionlog

import "github.com/skidway/skidway/kv"

// EpochStart is where the records of a leader epoch begin.
type EpochStart struct {
	Epoch int32
	Start int64
}

// NoEpoch is the epoch of a log without a promise, or of a record that no log holds,
// and what EpochEnd gives for an epoch that the log has not seen yet.
const NoEpoch = -1

// EpochEnd gives the largest leader epoch that is not above epoch and the offset
// behind its last record: where a follower that knows it has to cut (KIP-101,
// KIP-320). An epoch newer than the log's newest gives NoEpoch and -1; one that is
// older than all gives itself and the first one's start.
func (l *Log) EpochEnd(epoch int32) (floor int32, end int64, err error) {
	if err := l.load(loadedEpochs); err != nil {
		return NoEpoch, -1, err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	i := len(l.epochs)
	for i > 0 && l.epochs[i-1].Epoch > epoch {
		i--
	}
	switch {
	case i == len(l.epochs) && (i == 0 || l.epochs[i-1].Epoch != epoch):
		return NoEpoch, -1, nil
	case i == len(l.epochs):
		return epoch, l.end, nil
	case i == 0:
		return epoch, l.epochs[0].Start, nil
	}
	return l.epochs[i-1].Epoch, l.epochs[i].Start, nil
}

// epochChange is what an append or a promise does to the history.
type epochChange struct {
	epoch   int32
	start   int64
	begins  bool    // put its row
	dropped []int32 // delete theirs
}

// size bounds the rows.
func (c *epochChange) size() int {
	if c == nil {
		return 0
	}
	return 64 * (1 + len(c.dropped))
}

// rows puts the change.
func (c *epochChange) rows(w *kv.Rows, p kv.Partition) {
	if c == nil {
		return
	}
	for _, epoch := range c.dropped {
		w.DeleteEpoch(p, epoch)
	}
	if c.begins {
		w.PutEpoch(p, c.epoch, c.start)
	}
}

// noteEpoch gives the history in which records of epoch begin, or go on, at start,
// the log's end, and what has changed; nil: nothing. Epochs without a record are
// dropped: a leader that shipped nothing leaves one, and may then follow with
// records of an older epoch. Kept, it would claim those. h is not changed.
func noteEpoch(h []EpochStart, epoch int32, start int64) ([]EpochStart, *epochChange) {
	n := len(h)
	if n > 0 && h[n-1].Epoch == epoch {
		return h, nil
	}
	c := &epochChange{epoch: epoch, start: start}
	for n > 0 && h[n-1].Start >= start {
		n--
		c.dropped = append(c.dropped, h[n].Epoch)
	}
	h = h[:n:n]
	if n == 0 || h[n-1].Epoch < epoch {
		c.begins = true
		h = append(h, EpochStart{Epoch: epoch, Start: start})
	}
	return h, c
}

// epochAt is the epoch of the record at offset, NoEpoch below the first.
func epochAt(h []EpochStart, offset int64) int32 {
	for i := len(h) - 1; i >= 0; i-- {
		if h[i].Start <= offset {
			return h[i].Epoch
		}
	}
	return NoEpoch
}

// epochsBelow is the history of the records below end.
func epochsBelow(h []EpochStart, end int64) []EpochStart {
	n := len(h)
	for n > 0 && h[n-1].Start >= end {
		n--
	}
	return h[:n:n]
}

// trimEpochs drops the epochs that have no record at or above the settled log start, and
// gives them. Called with mu held.
func (l *Log) trimEpochs() (gone []int32) {
	n := 0
	for n+1 < len(l.epochs) && l.epochs[n+1].Start <= l.settled {
		gone = append(gone, l.epochs[n].Epoch)
		n++
	}
	l.epochs = l.epochs[n:]
	l.appliedEpochs = l.appliedEpochs[min(n, len(l.appliedEpochs)):]
	return gone
}
