package kafka

import (
	"github.com/twmb/franz-go/pkg/kerr"

	"github.com/skidway/skidway/wire"
)

// kafkaErrors gives each error of the native protocol the one that makes Kafka's clients do the same: ask for metadata
// and repeat, repeat, or give up.
var kafkaErrors = map[wire.Code]*kerr.Error{
	wire.CodeNotEnoughBrokers:     kerr.InvalidReplicationFactor,
	wire.CodeTimedOut:             kerr.RequestTimedOut,
	wire.CodeNotEnoughReplicas:    kerr.NotEnoughReplicas,
	wire.CodeNotLeader:            kerr.NotLeaderForPartition,
	wire.CodeShuttingDown:         kerr.LeaderNotAvailable, // clients ask elsewhere, after a pause
	wire.CodeUnknownBroker:        kerr.BrokerIDNotRegistered,
	wire.CodeUnknownTopic:         kerr.UnknownTopicOrPartition,
	wire.CodeTopicExists:          kerr.TopicAlreadyExists,
	wire.CodeOffsetOutOfRange:     kerr.OffsetOutOfRange,
	wire.CodeRecordTooLarge:       kerr.MessageTooLarge,
	wire.CodeUnknownPartition:     kerr.UnknownTopicOrPartition,
	wire.CodeInvalidTopicName:     kerr.InvalidTopicException,
	wire.CodeInvalidPartitions:    kerr.InvalidPartitions,
	wire.CodeUnknownSetting:       kerr.InvalidConfig,
	wire.CodeInvalidSetting:       kerr.InvalidConfig,
	wire.CodeUnknownTopicID:       kerr.UnknownTopicOrPartition, // in requests that name topics, of which all but a few do
	wire.CodeGroupBusy:            kerr.NonEmptyGroup,
	wire.CodeMemberFenced:         kerr.FencedMemberEpoch,
	wire.CodeProducerFenced:       kerr.InvalidProducerEpoch,
	wire.CodeOutOfOrderSequence:   kerr.OutOfOrderSequenceNumber,
	wire.CodeUnknownMember:        kerr.UnknownMemberID,
	wire.CodeStaleMemberEpoch:     kerr.StaleMemberEpoch,
	wire.CodeInstanceInUse:        kerr.UnreleasedInstanceID,
	wire.CodeGroupFull:            kerr.GroupMaxSizeReached,
	wire.CodeInvalidPattern:       kerr.InvalidRegularExpression,
	wire.CodeUnknownAssignor:      kerr.UnsupportedAssignor,
	wire.CodeInvalidGroupID:       kerr.InvalidGroupID,
	wire.CodeNotCoordinator:       kerr.NotCoordinator,
	wire.CodeGroupUnavailable:     kerr.CoordinatorNotAvailable,
	wire.CodeUnknownGroup:         kerr.GroupIDNotFound,
	wire.CodeInvalidOffset:        kerr.OffsetMetadataTooLarge,
	wire.CodeInconsistentProtocol: kerr.InconsistentGroupProtocol,
	wire.CodeMalformedRequest:     kerr.InvalidRequest,
	wire.CodeUnknownRequest:       kerr.UnsupportedVersion,
	wire.CodeUnsupportedVersion:   kerr.UnsupportedVersion,
	wire.CodeRequestTooLarge:      kerr.MessageTooLarge,
	wire.CodeCorruptBatch:         kerr.CorruptMessage,
	wire.CodeInvalidBatch:         kerr.InvalidRecord,
	wire.CodeUnsupported:          kerr.InvalidRequest,
	wire.CodeInvalidTimestamp:     kerr.InvalidTimestamp,
	wire.CodeLimitExceeded:        kerr.PolicyViolation,
	wire.CodeOverloaded:           kerr.KafkaStorageError, // nothing was done, and clients repeat it after a pause
	wire.CodeInvalidArgument:      kerr.InvalidRequest,
	wire.CodeStoreUnavailable:     kerr.RequestTimedOut,
	wire.CodeDiskFull:             kerr.KafkaStorageError,
	wire.CodeDamaged:              kerr.CorruptMessage,
	wire.CodeInternal:             kerr.UnknownServerError,
	wire.CodeStoreDenied:          kerr.UnknownServerError, // the broker's rights, not the client's
}

// errorCode is Kafka's number of the error; 0 for nil.
func errorCode(e *wire.Error) int16 {
	if e == nil {
		return 0
	}
	if known := kafkaErrors[e.Code]; known != nil {
		return known.Code
	}
	return kerr.UnknownServerError.Code
}

// errorText is what the error says to people; nil for nil.
func errorText(e *wire.Error) *string {
	if e == nil {
		return nil
	}
	text := e.Error()
	return &text
}

// refusal is an error of Kafka's that no native error stands for, with words of its own.
type refusal struct {
	code int16
	text string
}

// textOf is nil for "".
func textOf(text string) *string {
	if text == "" {
		return nil
	}
	return &text
}
