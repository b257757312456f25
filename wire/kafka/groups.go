package kafka

import (
	"context"
	"errors"

	"github.com/twmb/franz-go/pkg/kerr"

	"github.com/skidway/skidway/wire"
)

// Groups is what a Node does for the members of consumer groups of Kafka's classic protocol, and for those who look at
// groups with Kafka's tools. Its methods may wait until ctx ends. Their errors are a GroupError or a *wire.Error,
// wrapped or not. Byte slices in requests may lie in the request's frame: what is kept is copied.
type Groups interface {
	// JoinGroup makes the sender a member of the next generation, and waits for it to begin. With MemberIDRequired the
	// result holds the member id.
	JoinGroup(ctx context.Context, peer *wire.Peer, req *JoinGroup) (*JoinedGroup, error)
	// SyncGroup asks for what the leader assigns to the member, and waits until it has.
	SyncGroup(ctx context.Context, req *SyncGroup) (*SyncedGroup, error)
	// HeartbeatGroup says that a member is there.
	HeartbeatGroup(ctx context.Context, member GroupMember) error
	// LeaveGroup lets members go, and returns the error of each.
	LeaveGroup(ctx context.Context, group string, members []GroupMember) ([]error, error)
	// CommitGroup stores how far a group has come, as wire.CommitOffsetsRequest does.
	CommitGroup(ctx context.Context, member GroupMember, topics []wire.CommitTopic) (*wire.CommitOffsetsResponse, error)
	// ListGroups lists the groups that this broker coordinates, by name.
	ListGroups(ctx context.Context) ([]GroupSummary, error)
	// DescribeGroup tells what a group is made of, whichever protocol its members speak.
	DescribeGroup(ctx context.Context, group string) (*GroupDescription, error)
}

// GroupMember is who a member says it is.
type GroupMember struct {
	Group string
	// MemberID is "" for one that has none yet, or is none; InstanceID for one that is no static member.
	MemberID, InstanceID string
	// Generation is -1 for a consumer that is no member.
	Generation int32
}

// JoinGroup is a request to join.
type JoinGroup struct {
	Group, MemberID, InstanceID, ClientID string
	ProtocolType                          string
	Protocols                             []GroupProtocol // in the order of preference
	// SessionTimeoutMs and RebalanceTimeoutMs are in milliseconds; a RebalanceTimeoutMs of 0 or less: the other.
	SessionTimeoutMs, RebalanceTimeoutMs int32
	// RequireKnownID: a new member is to join again with an id that it is given (KIP-394). CanSkipAssignment: the sender
	// understands JoinedGroup.SkipAssignment (KIP-814).
	RequireKnownID, CanSkipAssignment bool
}

// GroupProtocol is a way to assign that a member knows, and what it says of itself for it.
type GroupProtocol struct {
	Name     string
	Metadata []byte
}

// JoinedGroup is the generation that a member is one of.
type JoinedGroup struct {
	MemberID                       string
	Generation                     int32
	ProtocolType, Protocol, Leader string
	// SkipAssignment tells the leader that what is assigned stands.
	SkipAssignment bool
	// Members are told to the leader alone.
	Members []JoinedMember
}

// JoinedMember is a member as the leader is told of it.
type JoinedMember struct {
	MemberID, InstanceID string
	Metadata             []byte
}

// SyncGroup is a request for an assignment; the leader's says what is whose.
type SyncGroup struct {
	GroupMember
	ProtocolType, Protocol string // "": not said
	Assignments            []MemberAssignment
}

// MemberAssignment is what the leader assigns to a member.
type MemberAssignment struct {
	MemberID   string
	Assignment []byte
}

// SyncedGroup is what is assigned to a member.
type SyncedGroup struct {
	ProtocolType, Protocol string
	Assignment             []byte
}

// GroupSummary is one group in a list.
type GroupSummary struct {
	Group string
	// State is in Kafka's words, such as "Stable".
	State string
	// ProtocolType is what the group is for, such as ConsumerProtocol; "": nobody was a member yet.
	ProtocolType string
	// Classic tells that the members speak Kafka's classic protocol, or may, when there are none.
	Classic bool
}

// GroupDescription is what a group is made of.
type GroupDescription struct {
	GroupSummary
	Protocol string
	Members  []DescribedMember
}

// DescribedMember is one member.
type DescribedMember struct {
	MemberID, InstanceID, ClientID, Host string
	Metadata, Assignment                 []byte
}

// GroupError is an error of Kafka's classic groups that no error of the native protocol stands for, by its number.
type GroupError int16

// The errors of Kafka's classic groups.
const (
	IllegalGeneration     GroupError = 22
	InvalidSessionTimeout GroupError = 26
	RebalanceInProgress   GroupError = 27
	MemberIDRequired      GroupError = 79
	FencedInstance        GroupError = 82
)

// Error is Kafka's name of the error.
func (e GroupError) Error() string { return kerr.TypedErrorForCode(int16(e)).Message }

// groupErrorCode is Kafka's number of an error about a group; 0 for nil. Members of groups give up at what other
// requests are told as an error of a partition's leader: they are told that the coordinator is elsewhere.
func groupErrorCode(err error) int16 {
	if err == nil {
		return 0
	}
	var classic GroupError
	if errors.As(err, &classic) {
		return int16(classic)
	}
	e := wire.AsError(err)
	switch e.Code {
	case wire.CodeShuttingDown:
		return kerr.NotCoordinator.Code
	case wire.CodeTimedOut, wire.CodeStoreUnavailable, wire.CodeOverloaded, wire.CodeDiskFull:
		return kerr.CoordinatorNotAvailable.Code
	}
	return errorCode(e)
}

// given is the text, "" for nil.
func given(text *string) string {
	if text == nil {
		return ""
	}
	return *text
}
