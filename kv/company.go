package kv

import "time"

const (
	// smallCommit is the size below which a commit's fsync takes about the same time whatever it holds.
	smallCommit = 128 << 10
	// napTime is how long the committer sleeps between two looks at who has come.
	napTime = 50 * time.Microsecond
	// mostPatience bounds the wait for company.
	mostPatience = 400 * time.Microsecond
	// probeEvery is of how many commits one waits although waiting has not paid off lately.
	probeEvery = 16
)

// company decides whether a small commit waits for those whom the commit before it has answered. A client that has a
// bounded number of requests in flight sends the next ones when it is answered: just too late for the fsync that began
// meanwhile, so that two groups take turns, each waiting for two fsyncs. A moment's patience brings them together.
// After PostgreSQL's commit_delay, with a memory of whether it pays. Pure; not safe for concurrent use.
type company struct {
	took     time.Duration // from the writing of a small commit until it is durable, smoothed
	expected int           // items that there would be if everyone who was answered came again; 0: nobody was
	gain     time.Duration // what patience has saved those who came, less what it cost those who were there, smoothed
	passed   int           // commits that did not wait since it did not pay
}

// landed notes that a commit of so many items is durable, and how many wait for the next one.
func (c *company) landed(items, waiting int, took time.Duration) {
	c.expected = items + waiting
	c.took += (took - c.took) / 8
}

// patience is how long the items that are there may wait for others; 0: not at all.
func (c *company) patience(items int) time.Duration {
	expected := c.expected
	c.expected = 0
	if items >= expected {
		return 0
	}
	if c.gain < 0 {
		if c.passed++; c.passed%probeEvery != 0 {
			return 0
		}
	}
	return min(c.took/2, mostPatience)
}

// waited notes what a wait has brought.
func (c *company) waited(items, came int, d time.Duration) {
	saved := time.Duration(came)*(c.took-d) - time.Duration(items)*d
	c.gain += (saved - c.gain) / 8
}
