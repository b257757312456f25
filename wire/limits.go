package wire

import "math"

// Caps of single fields, beside the rule that no length may exceed what is left
// of the frame. They are part of the protocol and stand in its specification.
const (
	maxName       = 1024    // names of topics: longer than any that is valid, so that the broker can say why not
	maxClientName = 255     // what a client says of itself
	maxText       = 4096    // setting values, addresses, details
	maxMessage    = 4096    // error messages
	maxTopics     = 100_000 // topics of one request or response
	maxPartitions = 100_000 // partitions of one topic
	maxReplicas   = 1_000   // replicas of a partition, brokers of a cluster
	maxSettings   = 1_000   // settings of one topic
	maxRecords    = 1_000_000
	maxHeaders    = 10_000  // headers of a record
	maxGroups     = 100_000 // groups of one request or response
	maxMembers    = 100_000 // members of one group
	maxAPIs       = 1_000   // request kinds, features, checks
)

// never is the upper bound of a field that has none but its type's.
const never = math.MaxInt64
