package metadata

import (
	"errors"
	"fmt"
)

// Errors of the operations and of the schema. Use errors.Is.
var (
	// ErrUnknownTopic says that there is no topic of that name.
	ErrUnknownTopic = errors.New("no such topic")
	// ErrTopicExists says that there is a topic of that name already.
	ErrTopicExists = errors.New("topic already exists")
	// ErrTopicDeleting says that the topic is being deleted: it cannot be changed, and its name is free soon.
	ErrTopicDeleting = errors.New("topic is being deleted")
	// ErrInvalidName says that a topic cannot have that name.
	ErrInvalidName = errors.New("invalid topic name")
	// ErrInvalidPartitions says that a topic cannot have that number of partitions.
	ErrInvalidPartitions = errors.New("invalid number of partitions")
	// ErrInvalidReplicas says that a topic cannot have that number of replicas.
	ErrInvalidReplicas = errors.New("invalid number of replicas")
	// ErrUnknownSetting is the class of *UnknownSettingError.
	ErrUnknownSetting = errors.New("unknown topic setting")
	// ErrInvalidSetting says that a setting cannot have that value.
	ErrInvalidSetting = errors.New("invalid topic setting")
	// ErrUnsupported says that a setting's value is known but not offered by this version.
	ErrUnsupported = errors.New("not supported")
	// ErrLimit says that the broker has as many partitions as it takes.
	ErrLimit = errors.New("limit exceeded")
	// ErrContention says that others kept changing the same node; nothing was done, try again.
	ErrContention = errors.New("too many concurrent changes")
	// ErrCorrupt says that a node does not hold what its path promises.
	ErrCorrupt = errors.New("damaged metadata")
	// ErrNewerFormat says that a node was written in a format that this version cannot read.
	ErrNewerFormat = errors.New("metadata of a newer version")
	// ErrClusterMismatch says that the store belongs to another cluster.
	ErrClusterMismatch = errors.New("metadata of another cluster")
	// ErrAdopting says that a store's metadata is being brought here, and nobody may use it yet.
	ErrAdopting = errors.New("a broker's data directory is being adopted")
	// ErrOccupied says that the store is not empty, as it has to be for an adoption.
	ErrOccupied = errors.New("the metadata store is not empty")
	// ErrExhausted says that all ids of a kind were given out.
	ErrExhausted = errors.New("no ids left")
)

// UnknownSettingError says that there is no topic setting of that name.
type UnknownSettingError struct {
	Name       string
	Suggestion string // the name that was probably meant; empty: none is near
}

// Error names the setting, and what was probably meant.
func (e *UnknownSettingError) Error() string {
	if e.Suggestion == "" {
		return fmt.Sprintf("%v %q", ErrUnknownSetting, e.Name)
	}
	return fmt.Sprintf("%v %q (did you mean %q?)", ErrUnknownSetting, e.Name, e.Suggestion)
}

// Is makes errors.Is(err, ErrUnknownSetting) true.
func (e *UnknownSettingError) Is(target error) bool { return target == ErrUnknownSetting }
