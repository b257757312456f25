package group

import "errors"

// Errors of a group. Use errors.Is. None of them changed anything.
var (
	// ErrUnknownMember says that the group has no such member: it left, it was removed, or it never joined.
	// The member drops all partitions and joins with epoch 0.
	ErrUnknownMember = errors.New("no such member in the group")
	// ErrFencedMember says that the member's epoch, or what it says it holds, is not what the group gave it.
	// The member drops all partitions and joins with epoch 0.
	ErrFencedMember = errors.New("member is fenced")
	// ErrStaleMemberEpoch says that a commit, or a fetch of offsets, carries an epoch under which the member does
	// not hold the partition. The member takes its newest epoch; if it still holds the partition, it tries again.
	ErrStaleMemberEpoch = errors.New("member epoch is stale")
	// ErrUnreleasedInstance says that another member has that instance id and has neither left nor timed out.
	ErrUnreleasedInstance = errors.New("instance id is in use by another member")
	// ErrGroupFull says that the group has as many members as it takes.
	ErrGroupFull = errors.New("group is full")
	// ErrGroupBusy says that the group has members, and what was asked for needs an empty one.
	ErrGroupBusy = errors.New("group has members")
	// ErrGroupDead says that the group was deleted.
	ErrGroupDead = errors.New("group was deleted")
	// ErrInvalidRegex says that a subscription's pattern is no regular expression (RE2), or too long.
	ErrInvalidRegex = errors.New("invalid topic pattern")
	// ErrUnsupportedAssignor says that there is no assignor of that name.
	ErrUnsupportedAssignor = errors.New("unsupported assignor")
	// ErrInvalidRequest says that a request breaks a rule that no state of the group could make good.
	ErrInvalidRequest = errors.New("invalid group request")
	// ErrInvalidGroupID says that a group cannot have that id.
	ErrInvalidGroupID = errors.New("invalid group id")
	// ErrInvalidOffset says that an offset to be committed is negative, or its metadata too long.
	ErrInvalidOffset = errors.New("invalid offset to commit")
	// ErrCorrupt says that a node does not hold what its path promises.
	ErrCorrupt = errors.New("damaged group metadata")
	// ErrNewerFormat says that a node was written in a format that this version cannot read.
	ErrNewerFormat = errors.New("group metadata of a newer version")
)
