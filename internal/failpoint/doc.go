// Package failpoint holds a broker at a point that a test names, or kills it there. A point is one line of the code,
// and nothing at all unless it is built with the tag failpoints: such a build is for tests alone.
//
// A point is armed by a file of its name in the directory that the variable SKIDWAY_FAILPOINTS names, so that a test
// can arm it while the broker runs, and see that it fired. It imports the standard library alone.
package failpoint

// Variable is that of the environment which names the directory of the files; without it no point is armed.
const Variable = "SKIDWAY_FAILPOINTS"

// Point is a place in the code.
type Point string

// The points.
const (
	BeforeSync    Point = "before-sync"    // what was applied is about to be synced into the write-ahead log
	BeforeShip    Point = "before-ship"    // a leader is about to send records to a follower
	BeforeAck     Point = "before-ack"     // a follower is about to tell its leader what it holds durably
	BeforeReply   Point = "before-reply"   // enough replicas hold a producer's records, which has not been told
	BeforePromise Point = "before-promise" // a broker has been made leader, and has not made that durable
	BeforeISR     Point = "before-isr"     // a leader is about to write a partition's ISR into the metadata store
)
