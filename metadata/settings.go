package metadata

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/skidway/skidway/record"
)

// Settings are the settings in force for one topic: its own where it has them, else the broker's.
type Settings struct {
	Retention          time.Duration        // how long records are kept after they were appended; 0: forever
	RetentionBytes     int64                // how many bytes a partition keeps; 0: no limit
	MaxBatchBytes      int                  // the largest record batch taken, as it is sent
	Timestamps         record.TimestampType // whose time a record carries
	TimestampBeforeMax time.Duration        // how far a record's own timestamp may lie in the past; 0: without limit
	TimestampAfterMax  time.Duration        // how far it may lie in the future; 0: without limit
	// MinInSync is how many replicas must hold a record before it is acknowledged with acks=all; 0: a majority.
	// InSyncOf resolves it.
	MinInSync int32
}

// InSyncOf returns how many of that many replicas must hold a record before it is acknowledged: at least 1. It may
// be more than there are, and then nothing is acknowledged.
func (s Settings) InSyncOf(replicas int32) int32 {
	if s.MinInSync > 0 {
		return s.MinInSync
	}
	return max(replicas, 1)/2 + 1
}

// DefaultSettings returns the settings of a broker that was told nothing else.
func DefaultSettings() Settings {
	var s Settings
	for _, spec := range settingTable {
		if err := spec.set(&s, spec.Default); err != nil {
			panic(fmt.Sprintf("metadata: default of %s: %v", spec.Name, err))
		}
	}
	return s
}

// ResolveSettings returns defaults with a topic's own settings put over them. The
// error joins one fault for each setting that is wrong: *UnknownSettingError, or one
// that wraps ErrInvalidSetting or ErrUnsupported.
func ResolveSettings(defaults Settings, overrides map[string]string) (Settings, error) {
	resolved := defaults
	var faults []error
	for _, name := range sortedNames(overrides) {
		if err := resolved.Set(name, overrides[name]); err != nil {
			faults = append(faults, err)
		}
	}
	if len(faults) > 0 {
		return defaults, errors.Join(faults...)
	}
	return resolved, nil
}

// Set gives the setting of that name the value that the text stands for, or leaves
// s as it is and returns *UnknownSettingError, or an error that wraps
// ErrInvalidSetting or ErrUnsupported.
func (s *Settings) Set(name, text string) error {
	spec, ok := findSetting(name)
	if !ok {
		return &UnknownSettingError{Name: clip(name), Suggestion: Suggest(name, SettingNames())}
	}
	next := *s
	if err := spec.set(&next, strings.TrimSpace(text)); err != nil {
		if errors.Is(err, ErrUnsupported) {
			return fmt.Errorf("topic setting %s = %q: %w", name, clip(text), err)
		}
		return fmt.Errorf("%w: %s = %q: %w", ErrInvalidSetting, name, clip(text), err)
	}
	*s = next
	return nil
}

// Value returns the setting's value as text that Set takes back as the same value.
// Ok is false if there is no setting of that name.
func (s Settings) Value(name string) (text string, ok bool) {
	spec, ok := findSetting(name)
	if !ok {
		return "", false
	}
	return spec.format(s), true
}

// SettingNames returns the names of all topic settings, in the order in which they are shown.
func SettingNames() []string {
	names := make([]string, len(settingTable))
	for i, spec := range settingTable {
		names[i] = spec.Name
	}
	return names
}

// SettingTable describes all topic settings, in the order in which they are shown.
func SettingTable() []Setting { return slices.Clone(settingTable) }

func findSetting(name string) (Setting, bool) {
	for _, spec := range settingTable {
		if spec.Name == name {
			return spec, true
		}
	}
	return Setting{}, false
}

func sortedNames(m map[string]string) []string {
	names := make([]string, 0, len(m))
	for name := range m {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}
