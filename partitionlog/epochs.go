package partitionlog

// epochStart is where the records of a leader epoch begin.
type epochStart struct {
	epoch int32
	start int64
}

// NoEpoch is what EpochEnd gives for an epoch that the log has not seen yet.
const NoEpoch = -1

// EpochEnd gives the largest leader epoch that is not above epoch and the offset
// behind its last record: where a follower that knows it has to cut (KIP-101,
// KIP-320). An epoch newer than the log's newest gives NoEpoch and -1; one that is
// older than all gives itself and the first one's start.
func (l *Log) EpochEnd(epoch int32) (floor int32, end int64, err error) {
	if err := l.load(loadedTail); err != nil {
		return NoEpoch, -1, err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	i := len(l.epochs)
	for i > 0 && l.epochs[i-1].epoch > epoch {
		i--
	}
	switch {
	case i == len(l.epochs) && (i == 0 || l.epochs[i-1].epoch != epoch):
		return NoEpoch, -1, nil
	case i == len(l.epochs):
		return epoch, l.end, nil
	case i == 0:
		return epoch, l.epochs[0].start, nil
	}
	return l.epochs[i-1].epoch, l.epochs[i].start, nil
}

// trimEpochs drops the epochs that have no record at or above the settled log start, and
// gives them. Called with mu held.
func (l *Log) trimEpochs() (gone []int32) {
	n := 0
	for n+1 < len(l.epochs) && l.epochs[n+1].start <= l.settled {
		gone = append(gone, l.epochs[n].epoch)
		n++
	}
	if n > 0 {
		l.epochs = append([]epochStart(nil), l.epochs[n:]...)
	}
	return gone
}
