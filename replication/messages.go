package replication

// Message is what replicas of a partition say to one another. The concrete types are below.
type Message interface{ message() }

// Subscribe asks the leader for its log from End on.
type Subscribe struct {
	From        Member
	BrokerEpoch int32
	Stream      uint64 // the follower's number for this subscription; answers carry it
	Epoch       int32
	End         int64
	Durable     int64
	LastEpoch   int32 // of the record before End
	Void        bool  // the log is damaged: it is not to be followed with, but to be let go
}

// Subscribed accepts a Subscribe.
type Subscribed struct {
	Epoch  int32
	Stream uint64
}

// Diverged refuses one: the leader's records up to LastEpoch belong to Floor, and end at End.
type Diverged struct {
	Epoch  int32
	Stream uint64
	Floor  int32
	End    int64
}

// Refused refuses one for now; Epoch is the leader's own.
type Refused struct {
	Epoch  int32
	Stream uint64
}

// Released answers one that is Void: the follower is in neither ISR nor ELR, and cannot come back into them but with
// a new subscription. It may rebuild its log.
type Released struct {
	Epoch  int32
	Stream uint64
}

// OutOfRange refuses one: the leader's log begins later, or shares no epoch.
type OutOfRange struct {
	Epoch               int32
	Stream              uint64
	DataStart, LogStart int64
	History             History
	// Producers are filled in as the message is sent: a follower that begins anew must know a retry when it leads.
	Producers []Producer
}

// Producer is what a log knows of an idempotent producer.
type Producer struct {
	ID    int64
	State []byte // opaque
}

// Data carries records that begin at Base, behind a record of epoch Previous. Without
// records it tells the high watermark and the log start.
type Data struct {
	Epoch    int32
	Stream   uint64
	Previous int32
	Base     int64
	HW       int64
	LogStart int64
	Batches  []Batch
}

// Ack says how far the follower's log is durable.
type Ack struct {
	Epoch   int32
	Stream  uint64
	Durable int64
}

// Drop says that the follower left the stream; it subscribes anew.
type Drop struct {
	Epoch  int32
	Stream uint64
}

// Probe asks a follower whether it still follows in the epoch.
type Probe struct {
	Epoch int32
	Round uint64
}

// ProbeAck says so.
type ProbeAck struct {
	From  Member
	Epoch int32
	Round uint64
}

func (Subscribe) message()  {}
func (Subscribed) message() {}
func (Diverged) message()   {}
func (Released) message()   {}
func (Refused) message()    {}
func (OutOfRange) message() {}
func (Data) message()       {}
func (Ack) message()        {}
func (Drop) message()       {}
func (Probe) message()      {}
func (ProbeAck) message()   {}
