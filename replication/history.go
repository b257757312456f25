package replication

import "slices"

// NoEpoch is the epoch of a log that holds no record, and what EndOffset gives for an
// epoch that the log does not know.
const NoEpoch int32 = -1

// EpochStart is where the records of a leader epoch begin.
type EpochStart struct {
	Epoch int32
	Start int64
}

// History is a log's leader epochs, in order (KIP-101). Both fields rise.
type History []EpochStart

// Add notes that records of the epoch begin, or go on, at start, the log's end. Epochs
// that turn out to have no record are dropped: a leader that shipped nothing leaves one,
// and may then follow with records of an older epoch.
func (h *History) Add(epoch int32, start int64) {
	h.Truncate(start)
	if n := len(*h); n == 0 || (*h)[n-1].Epoch < epoch {
		*h = append(*h, EpochStart{epoch, start})
	}
}

// Truncate forgets the epochs that begin at end or above.
func (h *History) Truncate(end int64) {
	n := len(*h)
	for n > 0 && (*h)[n-1].Start >= end {
		n--
	}
	*h = (*h)[:n:n]
}

// At gives the epoch of the record at the offset, or NoEpoch below the first.
func (h History) At(offset int64) int32 {
	for i := len(h) - 1; i >= 0; i-- {
		if h[i].Start <= offset {
			return h[i].Epoch
		}
	}
	return NoEpoch
}

// EndOffset gives the largest epoch that is not above epoch, and the offset behind its
// last record, in a log that ends at end. An epoch above all gives NoEpoch and -1, one
// below all gives itself and the first one's start: no floor.
func (h History) EndOffset(epoch int32, end int64) (floor int32, offset int64) {
	i := len(h)
	for i > 0 && h[i-1].Epoch > epoch {
		i--
	}
	switch {
	case i == len(h) && (i == 0 || h[i-1].Epoch != epoch):
		return NoEpoch, -1
	case i == len(h):
		return epoch, end
	case i == 0:
		return epoch, h[0].Start
	}
	return h[i-1].Epoch, h[i].Start
}

// from gives the history of the records at offset and above, with the floor of offset-1.
func (h History) from(offset int64) History {
	i := len(h)
	for i > 0 && h[i-1].Start > offset-1 {
		i--
	}
	return slices.Clone(h[max(i-1, 0):])
}
