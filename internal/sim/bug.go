package sim

// Bug is a bug that a run is seeded with, to show that it would be found.
type Bug int8

// The bugs, by the numbers of the fault catalogue; those without one by the rule that is broken.
const (
	NoBug                 Bug = iota
	M1AckBeforeSync           // a follower acknowledges what it only applied
	M2LeaderApplied           // the high watermark counts what the leader only applied
	M4EpochKept               // a restarted leader goes on in its epoch
	M5PromiseNotPersisted     // a promise is gone after a crash
	M6PendingExpand           // the high watermark ignores a pending expand
	M7AckEpoch                // an ack counts in any epoch
	M8EpochStart              // a follower joins before it holds what the epoch began with
	M9ShrinkEarly             // a shrink counts before it is written
	M11NoBrokerEpochCheck     // an expand does not check the follower's registration
	M13BelowMinISR            // the high watermark moves below the minimum
	M18TellBeforeEpoch        // a new leader tells the newest offset before it knows what was committed
	M19UnknownIsFailed        // an unknown write is taken for a failed one
	M20DeletedByAbsence       // a partition that is not in the metadata store is taken for a deleted one
	M22TellUnasked            // a leader tells the newest offset without asking the ISR whether it still leads
	M29EventNotState          // a broker believes what a wake-up was about, and does not read what is there by then

	GenerationIgnored // what was queued for a log in an older generation lands in a newer one
	CreditIgnored     // a leader ships without credit
	CreditEaten       // a follower does not give back what it drops
	CreditKept        // a leader goes on with the credit of a connection that is over
)
