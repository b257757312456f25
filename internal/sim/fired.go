package sim

import "fmt"

// Fault is a kind of fault, or what a fault was to bring about.
type Fault int8

// What is counted, each where it takes effect: a fault that was asked for and changed nothing is none.
const (
	MessageLost       Fault = iota // a message went into a cut that its sender does not know of
	MessageLate                    // a message took long
	OneWayCut                      // messages are lost in one direction only
	HalfOpen                       // an end heard late that its connection is over
	OldBytes                       // a connection that is over delivered a message (E15, E16)
	LostSuffix                     // a crash lost what was not synced
	CrashInPromise                 // ... and with it a promise
	CrashInTruncation              // ... a truncation
	CrashInReset                   // ... or a reset, or a removal
	Bounced                        // a broker restarted within its session
	SessionLost                    // a session ended while its process lived
	UnknownLanded                  // a write without an answer was applied
	UnknownLost                    // one was not
	UnknownLate                    // one was applied after the writer had given up waiting
	WatchesCoalesced               // one wake-up for several changes (D8)
	StaleRead                      // a server that is behind gave an old state (D7)
	ClockJumped                    // a broker's clock jumped
	Paused                         // a process stood still, and went on (SIGSTOP)
	PausedPastSession              // ... after its session was over
	OneSidedReject                 // a firewall refused, and nobody was dead
	EagerRemoval                   // a dead broker's registration was removed (R8)
	EagerTakeOver                  // a dead controller was followed at once (R8)
	Damaged                        // a log was found damaged
	DamagedLeader                  // ... that of a leader
	Wiped                          // a disk was replaced (C13)
	DiskLied                       // a crash lost what the disk had said it had synced (B6)
	LieFound                       // ... and a leader found out
	DiskFull                       // a log did not take what was shipped to it
	Reassigned                     // a partition moved to other replicas
	MinISRRaised                   // min.insync.replicas changed under load (G14)
	MinISRLowered
	UncleanElection  // an operator had a leader elected outside ISR and ELR (J8)
	UncleanLoss      // ... with which committed records were lost
	ELRElection      // a leader came from the ELR (G13)
	Drained          // a draining broker gave a leadership away
	DeletedWhileAway // a topic was deleted while one of its brokers was away (G20)
	LogStartRaised   // retention raised a log's start
	BehindLogStart   // a follower began anew at its leader's start (G22)
	Diverged         // a follower cut its log (G4, G21)
	BelowMinimum     // a produce was refused for lack of replicas in sync
	BarrierPassed    // a leader found out that it still leads
	BarrierRefused   // ... or could not
	PartitionAbsent  // a server that has nothing was asked for a partition (D9)
	AppendDropped    // what was queued for a log was dropped, a newer generation having begun
	NoCredit         // a leader had nothing to ship with
	CreditEnded      // a connection ended, and with it what it had to give back
	faults
)

// String names the kind.
func (f Fault) String() string {
	return [...]string{
		"message lost", "message late", "one-way cut", "half-open connection", "old bytes", "lost suffix",
		"crash in promise", "crash in truncation", "crash in reset", "bounced", "session lost", "unknown, landed",
		"unknown, lost", "unknown, landed late", "watches coalesced", "stale read", "clock jumped", "paused",
		"paused past the session", "one-sided reject", "eager removal", "eager take-over", "damaged", "damaged leader",
		"wiped", "disk lied", "lie found", "disk full", "reassigned", "minimum raised", "minimum lowered",
		"unclean election", "unclean loss", "election from ELR", "drained", "deleted while away", "log start raised",
		"behind log start", "diverged", "below the minimum", "barrier passed", "barrier refused",
		"partition absent", "append dropped", "no credit", "credit ended",
	}[f]
}

// Fired counts what took effect, by Fault.
type Fired [faults]int

// Add adds the counts of another run.
func (f *Fired) Add(other *Fired) {
	for i, n := range other {
		f[i] += n
	}
}

// String lists the counts.
func (f *Fired) String() string {
	out := ""
	for i, n := range f {
		out += fmt.Sprintf("%8d %v\n", n, Fault(i))
	}
	return out
}

// fire counts a fault that took effect, about brokers and partitions. The trace has it, too.
func (w *world) fire(f Fault, about ...any) {
	w.fired[f]++
	w.tracef("%v %v", f, about)
}
