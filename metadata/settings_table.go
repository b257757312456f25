package metadata

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/skidway/skidway/record"
	"github.com/skidway/skidway/units"
)

// Setting describes one topic setting.
type Setting struct {
	Name    string // as users write it
	Kind    string // what its values are: "duration", "size", "count" or "word"
	Default string // in force where neither topic nor broker says otherwise
	Bounds  string // the values that are taken, in words
	Doc     string // one sentence

	set    func(s *Settings, text string) error
	format func(s Settings) string
}

// Bounds of the settings' values.
const (
	minRetention  = time.Millisecond
	minBatchBytes = 1 << 10
	maxBatchBytes = 64 << 20
	maxInSync     = 1024
)

// settingTable holds every topic setting there is, in the order in which they are shown.
var settingTable = []Setting{
	{
		Name: "retention", Kind: "duration", Default: "7d", Bounds: `at least 1ms, or "forever"`,
		Doc: "How long a record is kept, counted from when the broker appended it.",
		set: func(s *Settings, text string) error {
			return parseAge(&s.Retention, text, minRetention)
		},
		format: func(s Settings) string { return formatAge(s.Retention) },
	},
	{
		Name: "retention_bytes", Kind: "size", Default: "none", Bounds: `at least 1 byte, or "none"`,
		Doc: "How many bytes each partition keeps; the oldest records go first.",
		set: func(s *Settings, text string) error {
			if text == "none" {
				s.RetentionBytes = 0
				return nil
			}
			n, err := units.ParseBytes(text)
			if err == nil && n < 1 {
				err = errors.New(`must be at least 1 byte; "none" is no limit`)
			}
			s.RetentionBytes = n
			return err
		},
		format: func(s Settings) string {
			if s.RetentionBytes <= 0 {
				return "none"
			}
			return formatSize(s.RetentionBytes)
		},
	},
	{
		Name: "max_batch_bytes", Kind: "size", Default: "1MiB", Bounds: "1KiB to 64MiB",
		Doc: "The largest record batch that is taken, in bytes as it is sent.",
		set: func(s *Settings, text string) error {
			n, err := units.ParseBytes(text)
			if err == nil && (n < minBatchBytes || n > maxBatchBytes) {
				err = fmt.Errorf("must be from %s to %s", formatSize(minBatchBytes), formatSize(maxBatchBytes))
			}
			s.MaxBatchBytes = int(n)
			return err
		},
		format: func(s Settings) string { return formatSize(int64(s.MaxBatchBytes)) },
	},
	{
		Name: "timestamps", Kind: "word", Default: "create", Bounds: "create, append",
		Doc: "Whose time a record carries: its producer's (create) or the broker's (append).",
		set: func(s *Settings, text string) error {
			switch text {
			case "create":
				s.Timestamps = record.CreateTime
			case "append":
				s.Timestamps = record.LogAppendTime
			default:
				return errors.New("must be create or append")
			}
			return nil
		},
		format: func(s Settings) string {
			if s.Timestamps == record.LogAppendTime {
				return "append"
			}
			return "create"
		},
	},
	{
		Name: "timestamp_before_max", Kind: "duration", Default: "forever", Bounds: `at least 1ms, or "forever"`,
		Doc: "How far in the past a record's own timestamp may lie.",
		set: func(s *Settings, text string) error {
			return parseAge(&s.TimestampBeforeMax, text, time.Millisecond)
		},
		format: func(s Settings) string { return formatAge(s.TimestampBeforeMax) },
	},
	{
		Name: "timestamp_after_max", Kind: "duration", Default: "1h", Bounds: `at least 1ms, or "forever"`,
		Doc: "How far in the future a record's own timestamp may lie.",
		set: func(s *Settings, text string) error {
			return parseAge(&s.TimestampAfterMax, text, time.Millisecond)
		},
		format: func(s Settings) string { return formatAge(s.TimestampAfterMax) },
	},
	{
		Name: "min_in_sync", Kind: "count", Default: "auto", Bounds: `1 to 1024, or "auto"`,
		Doc: "How many replicas must hold a record before it is acknowledged with acks=all; auto: a majority of them.",
		set: func(s *Settings, text string) error {
			if text == "auto" {
				s.MinInSync = 0
				return nil
			}
			n, err := strconv.ParseInt(text, 10, 32)
			if err != nil || n < 1 || n > maxInSync {
				return fmt.Errorf(`must be from 1 to %d, or "auto"`, maxInSync)
			}
			s.MinInSync = int32(n)
			return nil
		},
		format: func(s Settings) string {
			if s.MinInSync == 0 {
				return "auto"
			}
			return strconv.Itoa(int(s.MinInSync))
		},
	},
	{
		Name: "cleanup", Kind: "word", Default: "delete", Bounds: "delete",
		Doc: "What becomes of old records: they are deleted by age and size.",
		set: func(_ *Settings, text string) error {
			switch text {
			case "delete":
				return nil
			case "compact", "compact,delete", "delete,compact":
				return fmt.Errorf("compaction is %w: this version deletes by age and size only", ErrUnsupported)
			}
			return errors.New("must be delete")
		},
		format: func(Settings) string { return "delete" },
	},
}

// parseAge reads a duration of at least low, or "forever", which is 0.
func parseAge(dst *time.Duration, text string, low time.Duration) error {
	if text == "forever" {
		*dst = 0
		return nil
	}
	d, err := units.ParseDuration(text)
	if err == nil && d < low {
		err = fmt.Errorf(`must be at least %s; "forever" is without limit`, low)
	}
	*dst = d
	return err
}

// formatAge writes the duration in the largest unit that divides it, so that
// parseAge reads back the same value.
func formatAge(d time.Duration) string {
	if d <= 0 {
		return "forever"
	}
	for _, unit := range []struct {
		size time.Duration
		name string
	}{{24 * time.Hour, "d"}, {time.Hour, "h"}, {time.Minute, "m"}, {time.Second, "s"}, {time.Millisecond, "ms"}} {
		if d%unit.size == 0 {
			return strconv.FormatInt(int64(d/unit.size), 10) + unit.name
		}
	}
	return strings.Replace(d.String(), "µ", "u", 1)
}

// formatSize writes the size in the largest binary unit that divides it, so that
// units.ParseBytes reads back the same value.
func formatSize(n int64) string {
	units := []string{"", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"}
	i := 0
	for n != 0 && n%1024 == 0 && i < len(units)-1 {
		n /= 1024
		i++
	}
	return strconv.FormatInt(n, 10) + units[i]
}
