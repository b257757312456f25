package wire

import "fmt"

// Code is the number of an error on the wire: 110 is what the command line
// prints as E110. A number is never reused. As an error value it serves
// errors.Is: errors.Is(err, wire.CodeUnknownTopic).
type Code uint16

// The error codes. What each means stands in the table of this file and, made
// from it, in docs/format/wire.md.
const (
	CodeNotEnoughBrokers     Code = 103
	CodeTimedOut             Code = 105
	CodeNotEnoughReplicas    Code = 106
	CodeNotLeader            Code = 107
	CodeShuttingDown         Code = 108
	CodeUnknownBroker        Code = 109
	CodeUnknownTopic         Code = 110
	CodeTopicExists          Code = 111
	CodeOffsetOutOfRange     Code = 112
	CodeRecordTooLarge       Code = 113
	CodeUnknownPartition     Code = 114
	CodeInvalidTopicName     Code = 115
	CodeInvalidPartitions    Code = 116
	CodeUnknownSetting       Code = 117
	CodeInvalidSetting       Code = 118
	CodeUnknownTopicID       Code = 119
	CodeGroupBusy            Code = 120
	CodeMemberFenced         Code = 121
	CodeProducerFenced       Code = 122
	CodeOutOfOrderSequence   Code = 123
	CodeUnknownMember        Code = 124
	CodeStaleMemberEpoch     Code = 125
	CodeInstanceInUse        Code = 126
	CodeGroupFull            Code = 127
	CodeInvalidPattern       Code = 128
	CodeUnknownAssignor      Code = 129
	CodeInvalidGroupID       Code = 132
	CodeNotCoordinator       Code = 133
	CodeGroupUnavailable     Code = 134
	CodeUnknownGroup         Code = 135
	CodeInvalidOffset        Code = 136
	CodeInconsistentProtocol Code = 137
	CodeMalformedRequest     Code = 140
	CodeUnknownRequest       Code = 141
	CodeUnsupportedVersion   Code = 142
	CodeRequestTooLarge      Code = 143
	CodeCorruptBatch         Code = 144
	CodeInvalidBatch         Code = 145
	CodeUnsupported          Code = 146
	CodeInvalidTimestamp     Code = 147
	CodeLimitExceeded        Code = 148
	CodeOverloaded           Code = 149
	CodeInvalidArgument      Code = 150
	CodeStoreUnavailable     Code = 301
	CodeDiskFull             Code = 302
	CodeDamaged              Code = 303
	CodeInternal             Code = 304
	CodeStoreDenied          Code = 305
)

// Retry tells what a client may do about an error.
type Retry int8

const (
	// RetryNever: the same request will be refused again.
	RetryNever Retry = iota
	// RetryLater: nothing was done; the same request may succeed later.
	RetryLater
	// RetryUnknown: whether it was done is unknown; only a request that is
	// idempotent may be repeated blindly.
	RetryUnknown
)

// String is "no", "yes" or "outcome unknown".
func (r Retry) String() string {
	switch r {
	case RetryLater:
		return "yes"
	case RetryUnknown:
		return "outcome unknown"
	default:
		return "no"
	}
}

// codeInfo is a row of the error table.
type codeInfo struct {
	code     Code
	name     string
	retry    Retry
	sentence string
	hint     string
}

// codes is the error table, by ascending number.
var codes = []codeInfo{
	{CodeNotEnoughBrokers, "NOT_ENOUGH_BROKERS", RetryNever,
		"There are fewer brokers than the topic is to have replicas.",
		"Ask for fewer replicas, or start more brokers."},
	{CodeTimedOut, "TIMED_OUT", RetryUnknown, "The broker did not finish within the time given.",
		"Whether a write was carried out is unknown: repeat it with the same producer id and sequence."},
	{CodeNotEnoughReplicas, "NOT_ENOUGH_REPLICAS", RetryLater, "Too few replicas are in sync to accept the write.",
		"Wait until followers have caught up."},
	{CodeNotLeader, "NOT_LEADER", RetryLater, "This broker does not lead the partition.",
		"Ask for metadata again and go to the leader it names."},
	{CodeShuttingDown, "SHUTTING_DOWN", RetryLater, "The broker is stopping and takes no more requests.",
		"Connect again, after a pause."},
	{CodeUnknownBroker, "UNKNOWN_BROKER", RetryNever, "There is no broker of that id.",
		"Ask describe_cluster which brokers there are."},
	{CodeUnknownTopic, "UNKNOWN_TOPIC", RetryNever, "There is no topic of that name.",
		"Check the spelling, or create the topic."},
	{CodeTopicExists, "TOPIC_EXISTS", RetryNever, "A topic of that name exists already.",
		"Use it, or choose another name."},
	{CodeOffsetOutOfRange, "OFFSET_OUT_OF_RANGE", RetryNever, "The offset lies outside the log.",
		"Go on from the start or the end that the answer names."},
	{CodeRecordTooLarge, "RECORD_TOO_LARGE", RetryNever, "The record or its batch is larger than the topic allows.",
		"Send smaller records, or raise the topic's max_batch_bytes."},
	{CodeUnknownPartition, "UNKNOWN_PARTITION", RetryNever, "The topic has no partition of that number.",
		"Ask for metadata again; partitions are numbered from 0."},
	{CodeInvalidTopicName, "INVALID_TOPIC_NAME", RetryNever, "The topic name is not allowed.",
		"Use 1 to 249 of the characters a-z A-Z 0-9 . _ -, and not \".\" or \"..\" alone."},
	{CodeInvalidPartitions, "INVALID_PARTITIONS", RetryNever, "The number of partitions is not allowed.",
		"A topic has at least one partition, and its partitions only grow in number."},
	{CodeUnknownSetting, "UNKNOWN_SETTING", RetryNever, "There is no setting of that name.",
		"Check the spelling of the setting."},
	{CodeInvalidSetting, "INVALID_SETTING", RetryNever, "The value is not allowed for the setting.",
		"The message names what is accepted."},
	{CodeUnknownTopicID, "UNKNOWN_TOPIC_ID", RetryNever,
		"There is no topic of that id: it was deleted, perhaps created anew.",
		"Ask for metadata again to learn the id that the name has now."},
	{CodeGroupBusy, "GROUP_BUSY", RetryNever, "The group has members, and what was asked for needs an empty one.",
		"Stop its members first, or wait until their sessions have ended."},
	{CodeMemberFenced, "MEMBER_FENCED", RetryNever,
		"The member's epoch, or what it says it holds, is not what the group gave it.",
		"Drop all partitions without committing, and join with epoch 0."},
	{CodeProducerFenced, "PRODUCER_FENCED", RetryNever, "A newer instance of the producer has taken over.",
		"Stop this instance."},
	{CodeOutOfOrderSequence, "OUT_OF_ORDER_SEQUENCE", RetryNever,
		"A batch before this one is missing in the producer's sequence.",
		"Send the missing batch first; if it is lost, ask for a new producer id."},
	{CodeUnknownMember, "UNKNOWN_MEMBER", RetryNever,
		"The group has no such member: it left, timed out, or never joined.",
		"Drop all partitions without committing, and join with epoch 0."},
	{CodeStaleMemberEpoch, "STALE_MEMBER_EPOCH", RetryNever,
		"The member does not hold the partition under the epoch that it says.",
		"Send a heartbeat for the newest epoch; commit again only what is still held."},
	{CodeInstanceInUse, "INSTANCE_IN_USE", RetryLater,
		"Another member has that instance id and has neither left nor timed out.",
		"Stop the other one, or wait until its session has ended."},
	{CodeGroupFull, "GROUP_FULL", RetryNever, "The group has as many members as the broker allows.",
		"Start fewer consumers, or raise groups.max_members."},
	{CodeInvalidPattern, "INVALID_PATTERN", RetryNever, "The topic pattern is no regular expression, or too long.",
		"The syntax is that of RE2; the message says where it is wrong."},
	{CodeUnknownAssignor, "UNKNOWN_ASSIGNOR", RetryNever, "There is no assignor of that name.",
		"Use range or uniform."},
	{CodeInvalidGroupID, "INVALID_GROUP_ID", RetryNever, "A group cannot have that id.",
		"Use 1 to 255 bytes of UTF-8 without control characters."},
	{CodeNotCoordinator, "NOT_COORDINATOR", RetryLater, "This broker does not coordinate the group.",
		"Ask for the coordinator again and go to the broker that it names."},
	{CodeGroupUnavailable, "GROUP_UNAVAILABLE", RetryLater,
		"The group cannot be read or written now; nothing was changed.",
		"Pause and repeat."},
	{CodeUnknownGroup, "UNKNOWN_GROUP", RetryNever, "There is no group of that id.",
		"Check the spelling; a group begins with its first member or commit."},
	{CodeInvalidOffset, "INVALID_OFFSET", RetryNever,
		"An offset to be committed is negative, or its metadata too long.",
		"Offsets begin at 0; metadata has at most 512 bytes."},
	{CodeInconsistentProtocol, "INCONSISTENT_GROUP_PROTOCOL", RetryNever,
		"The group's members speak another protocol.",
		"Native members and those of Kafka's classic protocol cannot share a group: stop the others first."},
	{CodeMalformedRequest, "MALFORMED_REQUEST", RetryNever, "The bytes are not a well-formed request.",
		"The message names the field; this is an error of the client library."},
	{CodeUnknownRequest, "UNKNOWN_REQUEST", RetryNever, "The broker knows no request of that number.",
		"The hello response lists what this broker offers."},
	{CodeUnsupportedVersion, "UNSUPPORTED_VERSION", RetryNever, "The broker does not speak that version of the request.",
		"The message names the versions served; so does the hello response."},
	{CodeRequestTooLarge, "REQUEST_TOO_LARGE", RetryNever, "The request frame is larger than the broker takes.",
		"Stay within max_frame_bytes of the hello response; the connection is closed."},
	{CodeCorruptBatch, "CORRUPT_BATCH", RetryNever, "The record batch's checksum does not match its bytes.",
		"The bytes were damaged on the way, or the client computes the CRC-32C wrongly."},
	{CodeInvalidBatch, "INVALID_BATCH", RetryNever, "The record batch contradicts itself.",
		"The message names the field; this is an error of the client library."},
	{CodeUnsupported, "UNSUPPORTED", RetryNever, "The broker does not offer what was asked for.",
		"The hello response lists the features offered."},
	{CodeInvalidTimestamp, "INVALID_TIMESTAMP", RetryNever, "A record's timestamp lies too far from the broker's clock.",
		"Correct the producer's clock, or widen timestamp_before_max and timestamp_after_max."},
	{CodeLimitExceeded, "LIMIT_EXCEEDED", RetryNever, "A limit of the broker would be exceeded.",
		"The message names the limit."},
	{CodeOverloaded, "OVERLOADED", RetryLater, "The broker has no room for the request now.",
		"Pause and repeat."},
	{CodeInvalidArgument, "INVALID_ARGUMENT", RetryNever, "A field has a value that makes no sense there.",
		"The message names the field and what is accepted."},
	{CodeStoreUnavailable, "STORE_UNAVAILABLE", RetryLater,
		"The broker cannot reach its metadata store now; nothing was changed.",
		"Pause and repeat; the message names the servers that were tried."},
	{CodeDiskFull, "DISK_FULL", RetryLater, "The broker's disk is full: it serves reads and refuses writes.",
		"Free space or shorten retention; writes come back by themselves."},
	{CodeDamaged, "DAMAGED", RetryNever, "Stored bytes are damaged: their checksum does not match.",
		"The message names topic, partition and offset; see the broker's log."},
	{CodeInternal, "INTERNAL", RetryNever, "The broker failed in a way that it does not expect.",
		"See the broker's log; please report it."},
	{CodeStoreDenied, "STORE_DENIED", RetryNever, "The metadata store does not let the broker do that.",
		"Check the broker's user for ZooKeeper, and the ACLs below its chroot."},
}

// Codes lists all codes, by ascending number. The caller owns the slice.
func Codes() []Code {
	list := make([]Code, len(codes))
	for i := range codes {
		list[i] = codes[i].code
	}
	return list
}

func (c Code) info() *codeInfo {
	for i := range codes {
		if codes[i].code == c {
			return &codes[i]
		}
	}
	return nil
}

// Name is the code's name, such as "UNKNOWN_TOPIC"; "CODE_999" for one that this
// program does not know.
func (c Code) Name() string {
	if i := c.info(); i != nil {
		return i.name
	}
	return fmt.Sprintf("CODE_%d", uint16(c))
}

// String is the code as people see it: "E110".
func (c Code) String() string { return fmt.Sprintf("E%d", uint16(c)) }

// Error makes a Code a target for errors.Is.
func (c Code) Error() string { return c.Name() + " [" + c.String() + "]" }

// Retry tells what a client may do about the error; RetryNever for an unknown
// code.
func (c Code) Retry() Retry {
	if i := c.info(); i != nil {
		return i.retry
	}
	return RetryNever
}

// Retriable tells whether repeating the request may succeed. After CodeTimedOut
// the first try may have been carried out, too: see RetryUnknown.
func (c Code) Retriable() bool { return c.Retry() != RetryNever }

// Sentence says what the code means, in one sentence.
func (c Code) Sentence() string {
	if i := c.info(); i != nil {
		return i.sentence
	}
	return fmt.Sprintf("Error %d, which this program does not know.", uint16(c))
}

// Hint says what to do about it, in one sentence; "" for an unknown code.
func (c Code) Hint() string {
	if i := c.info(); i != nil {
		return i.hint
	}
	return ""
}
