package peer

// Event is something that happened on a link. The concrete types are below. Events of one link
// come in the order in which things happened: first Connected, last Disconnected, and what was
// sent between them without a gap.
type Event interface{ event() }

// Connected says that a link is up: both ends proved who they are.
type Connected struct {
	Link Link
	Peer Incarnation
}

// Disconnected says that a link is over. What was sent on it may have arrived or not, and
// nothing more comes of it. A link that this broker dialled is dialled again.
type Disconnected struct {
	Link Link
	Peer Incarnation
	// Why is never nil.
	Why error
}

// Refused says that the process behind an address is gone: a connection with this incarnation
// was up there, broke, and dialling the same address was refused (R8). It comes at most once
// between two connections. Time-outs and resets never make one.
type Refused struct{ Peer Incarnation }

// Received brings the messages of one frame, in the order in which they were sent.
type Received struct {
	Link     Link
	Messages []Addressed
	// Data is the sum of DataBytes over the messages. All of it has to be given back with
	// Transport.Release, in one or in several parts, as it is appended or dropped.
	//
	// Batches are parts of the frame's memory, which nobody writes to again: they stay valid
	// for as long as anyone refers to them, also after Release. One that is kept keeps its
	// whole frame, of 256 KiB or one message.
	Data int
}

// CreditBack says that a link takes Data again which refused some with ErrNoCredit, or of which
// Credit told 0.
type CreditBack struct{ Link Link }

// Called brings a request of the peer, which Transport.Answer answers. The link's end ends it.
type Called struct {
	Link Link
	ID   uint64 // as the peer chose it
	Body []byte // owned by the receiver
}

// Answered brings the answer to a Transport.Call. After the link's Disconnected there is none:
// whether the call was carried out is unknown then.
type Answered struct {
	Link Link
	ID   uint64
	Body []byte // owned by the receiver
}

func (Connected) event()    {}
func (Disconnected) event() {}
func (Refused) event()      {}
func (Received) event()     {}
func (CreditBack) event()   {}
func (Called) event()       {}
func (Answered) event()     {}
