package replication

import "fmt"

// Event is something that happened to a replica. The concrete types are below.
type Event interface{ event() }

// Registered says that the broker has a new registration (section 3 of the design).
type Registered struct{ BrokerEpoch int32 }

// Fenced says that the broker's registration is over: it leads and follows nothing.
type Fenced struct{}

// Suspected says whether the broker lost touch with the metadata store (section 9).
type Suspected struct{ Suspect bool }

// StateRead is the partition's node as it was read. A wake-up carries nothing (R4).
type StateRead struct {
	State   State
	Version int32
	// Newest says that it answers a ReadState: no version was newer when that was asked for.
	Newest bool
}

// Promised says that a Promise is durable, and where the log ended when it was applied.
type Promised struct {
	Generation uint64
	End        int64
	History    History
}

// Applied says that the log can be read up to End.
type Applied struct {
	Generation uint64
	End        int64
}

// Synced says that the log is durable up to End (R1).
type Synced struct {
	Generation uint64
	End        int64
}

// Cut says that a Truncate, Reset or Remove is durable.
type Cut struct {
	Generation uint64
	End        int64
	History    History
}

// Produce asks a leader to append records.
type Produce struct {
	ID        uint64 // of the request
	Batch     []byte // opaque
	Records   int64
	All       bool  // acks=all; else acks=1
	Duplicate int64 // the end of the first copy, if the log holds one; else 0
}

// Written is the outcome of a WriteState.
type Written struct {
	Seq     int64
	Outcome Outcome
}

// Received is a message of a peer.
type Received struct {
	From    int32
	Message Message
}

// Linked says that the peer can be reached: what waits for it is asked for at once.
type Linked struct{ Broker int32 }

// Disconnected says that streams with the peer are over.
type Disconnected struct{ Broker int32 }

// Rejected says that the log did not take an Append, and holds nothing of it.
type Rejected struct{ Generation uint64 }

// Shipped says how far a Ship read the log.
type Shipped struct {
	To     int32
	Stream uint64
	End    int64
}

// Barrier asks whether this replica still leads: answered once every member of the
// ISR said so after the request, and the high watermark is known to be no older than the
// epoch.
type Barrier struct{ ID uint64 }

// Trimmed says where retention has moved the starts of a leader's log: to be said again once what lies below is gone,
// and by one that was a follower, whose log may have been cut since it was opened.
type Trimmed struct{ LogStart, DataStart int64 }

// Damaged says that the log cannot be trusted any more. Durable before it is said.
type Damaged struct{}

// TopicDeleted says that the topic's tombstone was read. Absence says nothing (R6).
type TopicDeleted struct{}

// Tick lets time pass. Only a replica that is not Idle needs it.
type Tick struct{}

func (Registered) event()   {}
func (Fenced) event()       {}
func (Suspected) event()    {}
func (StateRead) event()    {}
func (Promised) event()     {}
func (Applied) event()      {}
func (Synced) event()       {}
func (Cut) event()          {}
func (Produce) event()      {}
func (Written) event()      {}
func (Received) event()     {}
func (Linked) event()       {}
func (Disconnected) event() {}
func (Rejected) event()     {}
func (Shipped) event()      {}
func (Barrier) event()      {}
func (Trimmed) event()      {}
func (Damaged) event()      {}
func (TopicDeleted) event() {}
func (Tick) event()         {}

// Outcome is how a conditional write ended.
type Outcome int8

// The outcomes. All but OutcomeUnknown are definite.
const (
	OutcomeOK          Outcome = iota + 1
	OutcomeBadVersion          // the partition has another version
	OutcomeCheckFailed         // a follower's registration is another one, nothing was written
	OutcomeFenced              // this broker's own registration is over
	OutcomeUnknown             // may have been, or may yet be, applied (R5)
)

// Effect is something that the caller has to do. The concrete types are below.
type Effect interface{ effect() }

// Promise is to make the epoch durable, and with Lead its start in the history. Items
// of older generations that are not applied yet are dropped. Answered by Promised.
type Promise struct {
	Epoch      int32
	Generation uint64
	Lead       bool
}

// Append is to queue batches at the log's end. Answered by Applied and Synced.
type Append struct {
	Generation uint64
	Batches    []Batch
}

// Truncate is to cut the log's end at To. Answered by Cut.
type Truncate struct {
	Generation uint64
	To         int64
}

// Reset is to empty the log and let it begin at DataStart. Answered by Cut.
type Reset struct {
	Generation          uint64
	DataStart, LogStart int64
	History             History
	Producers           []Producer
}

// Send is to give a message to a peer.
type Send struct {
	To      int32
	Message Message
}

// Ship is to read the log from Base on and to send a Data; answered by Shipped. What is
// read is bounded by the link's credit.
type Ship struct {
	To       int32
	Stream   uint64
	Epoch    int32
	Base     int64
	Previous int32
	HW       int64
	LogStart int64
	End      int64
}

// Reply answers a Produce.
type Reply struct {
	ID     uint64
	Result Result
	End    int64 // the offset behind the records
}

// BarrierReply answers a Barrier. ResultOK: this replica led after it was asked, and End is the high watermark, no
// older than the question. ResultNotLeader and ResultNotEnoughReplicas say why that cannot be told.
type BarrierReply struct {
	ID     uint64
	Result Result
	End    int64
}

// WriteState is to write the partition's node if it has the version, this broker's
// registration is still its own, and each follower that Checks names is registered
// with that broker epoch and not draining. Answered by Written.
type WriteState struct {
	Seq     int64
	State   State
	Version int32
	Checks  []Check
}

// Check names a registration.
type Check struct{ Broker, BrokerEpoch int32 }

// ReadState is to read the partition's node behind a sync of the metadata store, of which a server may be behind.
// Answered by StateRead with Newest, or not at all: a core that needs the answer asks again.
type ReadState struct{}

// Remove is to delete the local data, but for the promise: the state of that version does
// not list the broker. Answered by Cut with an end of 0.
type Remove struct {
	Version    int32
	Generation uint64
}

// Erase is to delete all that the store holds of the partition: its topic is deleted.
type Erase struct{ Generation uint64 }

// Alarm reports what an operator has to look at.
type Alarm struct {
	Reason AlarmReason
	Broker int32
}

func (Promise) effect()      {}
func (Append) effect()       {}
func (Truncate) effect()     {}
func (Reset) effect()        {}
func (Send) effect()         {}
func (Ship) effect()         {}
func (Reply) effect()        {}
func (BarrierReply) effect() {}
func (WriteState) effect()   {}
func (ReadState) effect()    {}
func (Remove) effect()       {}
func (Erase) effect()        {}
func (Alarm) effect()        {}

// AlarmReason says what an Alarm is about.
type AlarmReason int8

// The reasons.
const (
	AlarmQuarantined  AlarmReason = iota + 1 // truncation below the high watermark was asked for
	AlarmNotDurable                          // an in-sync follower lost what it acknowledged
	AlarmVoid                                // a replica's log is damaged
	AlarmEpochTooHigh                        // an epoch or offset is at its limit
)

// String says it in words.
func (r AlarmReason) String() string {
	switch r {
	case AlarmQuarantined:
		return "its leader asks it to cut off what was committed"
	case AlarmNotDurable:
		return "a replica in sync lost what it had acknowledged"
	case AlarmVoid:
		return "a replica's log is damaged"
	case AlarmEpochTooHigh:
		return "an epoch or offset is at its limit"
	}
	return fmt.Sprintf("reason %d", int8(r))
}

// Result is the answer to a Produce or a Barrier.
type Result int8

// The results. NotLeader and NotEnoughReplicas are definite: nothing was appended.
const (
	ResultOK Result = iota + 1
	ResultNotLeader
	ResultNotEnoughReplicas
	ResultUnknown
)

// Batch is one batch of records; the bytes are opaque here.
type Batch struct {
	Base, End int64
	Epoch     int32
	Bytes     []byte
}
