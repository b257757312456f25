package broker

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/skidway/skidway/cluster"
	"github.com/skidway/skidway/group"
	"github.com/skidway/skidway/kv"
	"github.com/skidway/skidway/metadata"
	"github.com/skidway/skidway/partitionlog"
	"github.com/skidway/skidway/record"
	"github.com/skidway/skidway/replication"
	"github.com/skidway/skidway/wire"
)

// ListenError says that a listener could not be opened. The reason is in Err (errors.Is(err, syscall.EADDRINUSE)).
type ListenError struct {
	// Field is the field of Config that holds the address: such as "Listen".
	Field string
	// Address is what it holds.
	Address string
	Err     error
}

// Error names the address and the reason.
func (e *ListenError) Error() string {
	return fmt.Sprintf("broker: cannot listen on %s (%s): %v", e.Address, e.Field, e.Err)
}

// Unwrap returns the reason.
func (e *ListenError) Unwrap() error { return e.Err }

// NoClusterError says that a broker's store is there, and the cluster of which it is to be is not.
type NoClusterError struct {
	DataDir   string
	ZooKeeper []string
	Chroot    string
}

// Error names the store and where the cluster was looked for.
func (e *NoClusterError) Error() string {
	return fmt.Sprintf("broker: data directory %s holds a store, and there is no cluster at %s%s", e.DataDir,
		strings.Join(e.ZooKeeper, ","), e.Chroot)
}

// classes maps the errors of the layers below to codes; the first that matches counts. The order matters where an
// error is of two classes.
var classes = []struct {
	class error
	code  wire.Code
}{
	{cluster.ErrUnknownBroker, wire.CodeUnknownBroker},
	{cluster.ErrUnknownPartition, wire.CodeUnknownPartition},
	{cluster.ErrRefusedOrder, wire.CodeInvalidArgument},
	{replication.ErrTooFewBrokers, wire.CodeNotEnoughBrokers},
	{metadata.ErrUnknownTopic, wire.CodeUnknownTopic},
	{metadata.ErrTopicExists, wire.CodeTopicExists},
	{metadata.ErrTopicDeleting, wire.CodeUnknownTopic},
	{metadata.ErrInvalidName, wire.CodeInvalidTopicName},
	{metadata.ErrInvalidPartitions, wire.CodeInvalidPartitions},
	{metadata.ErrInvalidReplicas, wire.CodeInvalidArgument},
	{metadata.ErrUnknownSetting, wire.CodeUnknownSetting},
	{metadata.ErrUnsupported, wire.CodeUnsupported},
	{metadata.ErrInvalidSetting, wire.CodeInvalidSetting},
	{metadata.ErrLimit, wire.CodeLimitExceeded},
	{metadata.ErrTooLarge, wire.CodeLimitExceeded},
	{metadata.ErrContention, wire.CodeOverloaded},
	{metadata.ErrUnknown, wire.CodeTimedOut},
	{metadata.ErrClosed, wire.CodeShuttingDown},
	{metadata.ErrUnavailable, wire.CodeStoreUnavailable},
	{metadata.ErrSessionEnded, wire.CodeStoreUnavailable}, // the next session takes the same request
	{metadata.ErrDenied, wire.CodeStoreDenied},
	{metadata.ErrNoChildrenForEphemerals, wire.CodeInternal}, // no request of a client names such a node
	{group.ErrGroupBusy, wire.CodeGroupBusy},
	{group.ErrUnknownMember, wire.CodeUnknownMember},
	{group.ErrFencedMember, wire.CodeMemberFenced},
	{group.ErrFencedInstance, wire.CodeMemberFenced},
	{group.ErrStaleMemberEpoch, wire.CodeStaleMemberEpoch},
	{group.ErrUnreleasedInstance, wire.CodeInstanceInUse},
	{group.ErrGroupFull, wire.CodeGroupFull},
	{group.ErrGroupDead, wire.CodeGroupUnavailable}, // it is being deleted: before long there is none
	{group.ErrInconsistentProtocol, wire.CodeInconsistentProtocol},
	// Only members of Kafka's classic protocol meet these; what they are told is finer (groupError).
	{group.ErrIllegalGeneration, wire.CodeStaleMemberEpoch},
	{group.ErrRebalanceInProgress, wire.CodeStaleMemberEpoch},
	{group.ErrFencedInstance, wire.CodeMemberFenced},
	{group.ErrMemberIDRequired, wire.CodeUnknownMember},
	{group.ErrInvalidSessionTimeout, wire.CodeInvalidArgument},
	{group.ErrInvalidRegex, wire.CodeInvalidPattern},
	{group.ErrUnsupportedAssignor, wire.CodeUnknownAssignor},
	{group.ErrInvalidRequest, wire.CodeInvalidArgument},
	{group.ErrInvalidGroupID, wire.CodeInvalidGroupID},
	{group.ErrInvalidOffset, wire.CodeInvalidOffset},
	{partitionlog.ErrOffsetOutOfRange, wire.CodeOffsetOutOfRange},
	{partitionlog.ErrOutOfOrderSequence, wire.CodeOutOfOrderSequence},
	{partitionlog.ErrProducerFenced, wire.CodeProducerFenced},
	{partitionlog.ErrDeleted, wire.CodeUnknownTopicID},
	{partitionlog.ErrCorrupt, wire.CodeDamaged},
	{kv.ErrDiskFull, wire.CodeDiskFull},
	{kv.ErrCorrupt, wire.CodeDamaged},
	{kv.ErrFatal, wire.CodeTimedOut}, // on the disk or not: unknown
	{kv.ErrClosed, wire.CodeShuttingDown},
	{record.ErrChecksum, wire.CodeCorruptBatch},
	{record.ErrTimestamp, wire.CodeInvalidTimestamp},
	{record.ErrUnsupported, wire.CodeUnsupported},
	{record.ErrTooLarge, wire.CodeRecordTooLarge},
	{record.ErrTruncated, wire.CodeInvalidBatch},
	{record.ErrMalformed, wire.CodeInvalidBatch},
	{context.DeadlineExceeded, wire.CodeTimedOut},
	{context.Canceled, wire.CodeShuttingDown},
}

// wireError is err as a client is told it; nil for nil.
func wireError(err error) *wire.Error {
	if err == nil {
		return nil
	}
	var e *wire.Error
	if errors.As(err, &e) {
		return e
	}
	for _, c := range classes {
		if errors.Is(err, c.class) {
			return &wire.Error{Code: c.code, Message: err.Error()}
		}
	}
	return &wire.Error{Code: wire.CodeInternal, Message: err.Error()}
}

func unknownTopic(name string) *wire.Error {
	return wire.Errorf(wire.CodeUnknownTopic, "no topic %q", name)
}

func unknownTopicID(id uint64) *wire.Error {
	return wire.Errorf(wire.CodeUnknownTopicID, "no topic has the id %d: it was deleted, or never made", id)
}

func unknownPartition(t *topic, index int32) *wire.Error {
	return wire.Errorf(wire.CodeUnknownPartition, "topic %q has no partition %d; it has %d", t.name, index,
		len(t.partitions()))
}

// logError is wireError for an error of a partition's log: it names the topic and the partition, and notes damage.
func (b *Broker) logError(p *partition, err error) *wire.Error {
	if err == nil {
		return nil
	}
	e := wireError(err)
	var outside *partitionlog.OffsetRangeError
	switch {
	case e.Code == wire.CodeUnknownTopicID, p.topic.gone.Load():
		return unknownTopicID(p.topic.id)
	case errors.As(err, &outside):
		return wire.Errorf(wire.CodeOffsetOutOfRange, "offset %d of topic %q partition %d is outside its log, %d..%d",
			outside.Offset, p.topic.name, p.index, outside.Start, outside.End)
	case e.Code == wire.CodeDamaged:
		b.noteDamage(p, err)
	}
	return wire.Errorf(e.Code, "topic %q partition %d: %s", p.topic.name, p.index, e.Message)
}

// noteDamage makes damage visible to the operator: once per partition in the log, always in the health page.
func (b *Broker) noteDamage(p *partition, err error) {
	b.health.damaged(fmt.Sprintf("topic %q partition %d: %v", p.topic.name, p.index, err))
	if !p.damaged.Swap(true) {
		b.log.Error("stored data is damaged; the partition's other data is served on",
			"topic", p.topic.name, "partition", p.index, "error", err)
	}
}
