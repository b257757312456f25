package metadata_test

import (
	"math"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/skidway/skidway/metadata"
	"github.com/skidway/skidway/record"
)

func TestDefaults(t *testing.T) {
	require.Equal(t, metadata.Settings{
		Retention: 7 * 24 * time.Hour, MaxBatchBytes: 1 << 20, Timestamps: record.CreateTime, TimestampAfterMax: time.Hour,
	}, metadata.DefaultSettings())
	for _, spec := range metadata.SettingTable() {
		require.NotEmpty(t, spec.Kind, spec.Name)
		require.NotEmpty(t, spec.Bounds, spec.Name)
		require.True(t, strings.HasSuffix(spec.Doc, "."), "%s: one sentence", spec.Name)
		text, ok := metadata.DefaultSettings().Value(spec.Name)
		require.True(t, ok)
		require.Equal(t, spec.Default, text, spec.Name)
	}
	_, ok := metadata.Settings{}.Value("retension")
	require.False(t, ok)
}

func TestSettings(t *testing.T) {
	year := 365 * 24 * time.Hour
	for _, tc := range []struct {
		name, text string
		want       func(*metadata.Settings)
		value      string // as it is shown
	}{
		{"retention", "90d", func(s *metadata.Settings) { s.Retention = 90 * 24 * time.Hour }, "90d"},
		{"retention", " 36h ", func(s *metadata.Settings) { s.Retention = 36 * time.Hour }, "36h"},
		{"retention", "1h30m", func(s *metadata.Settings) { s.Retention = 90 * time.Minute }, "90m"},
		{"retention", "1ms", func(s *metadata.Settings) { s.Retention = time.Millisecond }, "1ms"},
		{"retention", "forever", func(s *metadata.Settings) { s.Retention = 0 }, "forever"},
		{"retention", "36500d", func(s *metadata.Settings) { s.Retention = 100 * year }, "36500d"},
		{"retention_bytes", "500GiB", func(s *metadata.Settings) { s.RetentionBytes = 500 << 30 }, "500GiB"},
		{"retention_bytes", "1", func(s *metadata.Settings) { s.RetentionBytes = 1 }, "1"},
		{"retention_bytes", "none", func(s *metadata.Settings) { s.RetentionBytes = 0 }, "none"},
		{"max_batch_bytes", "1KiB", func(s *metadata.Settings) { s.MaxBatchBytes = 1024 }, "1KiB"},
		{"max_batch_bytes", "64MiB", func(s *metadata.Settings) { s.MaxBatchBytes = 64 << 20 }, "64MiB"},
		{"timestamps", "append", func(s *metadata.Settings) { s.Timestamps = record.LogAppendTime }, "append"},
		{"timestamps", "create", func(s *metadata.Settings) { s.Timestamps = record.CreateTime }, "create"},
		{"timestamp_before_max", "1d", func(s *metadata.Settings) { s.TimestampBeforeMax = 24 * time.Hour }, "1d"},
		{"timestamp_after_max", "forever", func(s *metadata.Settings) { s.TimestampAfterMax = 0 }, "forever"},
		{"cleanup", "delete", func(*metadata.Settings) {}, "delete"},
	} {
		t.Run(tc.name+"="+tc.text, func(t *testing.T) {
			want := metadata.DefaultSettings()
			tc.want(&want)
			got, err := metadata.ResolveSettings(metadata.DefaultSettings(), map[string]string{tc.name: tc.text})
			require.NoError(t, err)
			require.Equal(t, want, got)
			value, ok := got.Value(tc.name)
			require.True(t, ok)
			require.Equal(t, tc.value, value)
		})
	}
}

func TestSettingsRefused(t *testing.T) {
	for _, tc := range []struct {
		name, text string
		want       error
	}{
		{"retention", "", metadata.ErrInvalidSetting},
		{"retention", "0", metadata.ErrInvalidSetting},
		{"retention", "0s", metadata.ErrInvalidSetting},
		{"retention", "999us", metadata.ErrInvalidSetting},
		{"retention", "-1d", metadata.ErrInvalidSetting},
		{"retention", "7 apples", metadata.ErrInvalidSetting},
		{"retention", "99999999999d", metadata.ErrInvalidSetting},
		{"retention_bytes", "0", metadata.ErrInvalidSetting},
		{"retention_bytes", "-1", metadata.ErrInvalidSetting},
		{"retention_bytes", "9999999TiB", metadata.ErrInvalidSetting},
		{"max_batch_bytes", "1023", metadata.ErrInvalidSetting},
		{"max_batch_bytes", "65MiB", metadata.ErrInvalidSetting},
		{"max_batch_bytes", "none", metadata.ErrInvalidSetting},
		{"timestamps", "CreateTime", metadata.ErrInvalidSetting},
		{"cleanup", "compact", metadata.ErrUnsupported},
		{"cleanup", "compact,delete", metadata.ErrUnsupported},
		{"cleanup", "none", metadata.ErrInvalidSetting},
		{"Retention", "7d", metadata.ErrUnknownSetting},
		{"", "7d", metadata.ErrUnknownSetting},
	} {
		s := metadata.DefaultSettings()
		err := s.Set(tc.name, tc.text)
		require.ErrorIs(t, err, tc.want, "%s=%s", tc.name, tc.text)
		require.Equal(t, metadata.DefaultSettings(), s, "left as it was")
		if tc.want == metadata.ErrUnsupported {
			require.NotErrorIs(t, err, metadata.ErrInvalidSetting)
		}
	}
	_, err := metadata.ResolveSettings(metadata.DefaultSettings(), map[string]string{"retention": "x", "retension": "7d"})
	require.ErrorIs(t, err, metadata.ErrInvalidSetting)
	require.ErrorIs(t, err, metadata.ErrUnknownSetting)
}

// What Value shows, Set reads back as the same value.
func TestValueRoundTrip(t *testing.T) {
	age := rapid.Int64Range(int64(time.Millisecond), math.MaxInt64)
	rapid.Check(t, func(t *rapid.T) {
		s := metadata.DefaultSettings()
		s.Retention = time.Duration(age.Draw(t, "retention"))
		s.TimestampBeforeMax = time.Duration(age.Draw(t, "before")).Truncate(time.Hour)
		s.RetentionBytes = rapid.Int64Range(0, math.MaxInt64).Draw(t, "bytes")
		s.MaxBatchBytes = rapid.IntRange(1024, 64<<20).Draw(t, "batch")
		got := metadata.DefaultSettings()
		for _, name := range metadata.SettingNames() {
			text, _ := s.Value(name)
			require.NoError(t, got.Set(name, text))
		}
		require.Equal(t, s, got)
	})
}

func TestSuggest(t *testing.T) {
	settings := metadata.SettingNames()
	for name, want := range map[string]string{
		"retension": "retention", "retention-bytes": "retention_bytes", "Retention": "retention", "cleenup": "cleanup",
		"rentention": "retention", "max_batch_size": "", "timestamp": "timestamps", "x": "", "": "", "compression": "",
		"clenaup": "cleanup", strings.Repeat("retention", 100): "",
	} {
		require.Equal(t, want, metadata.Suggest(name, settings), "%q", name)
	}
	require.Equal(t, "orders", metadata.Suggest("oders", []string{"payments", "orders", "order-lines"}))
	require.Empty(t, metadata.Suggest("orders", nil))
}

// I-13: only what the pattern of the fault catalogue takes, less the names that are kept.
func TestI13TopicNames(t *testing.T) {
	for _, name := range []string{"a", "orders", "A.b_c-9", "...", "_x", "-", strings.Repeat("n", 249)} {
		require.NoError(t, metadata.ValidateTopicName(name), name)
	}
	for _, name := range []string{
		"", ".", "..", "../x", "a/b", "a\x00", "a\n", "a b", "é", "оrders", "a\\b", "__consumer_offsets", "__",
		strings.Repeat("n", 250), strings.Repeat("/", 1<<20),
	} {
		err := metadata.ValidateTopicName(name)
		require.ErrorIs(t, err, metadata.ErrInvalidName, "%.20q", name)
		require.Less(t, len(err.Error()), 2000)
		require.NotContains(t, err.Error(), "\n")
	}
	pattern := regexp.MustCompile(`^[a-zA-Z0-9._-]{1,249}$`)
	rapid.Check(t, func(t *rapid.T) {
		name := rapid.OneOf(rapid.String(), rapid.StringMatching(`[a-zA-Z0-9._-]{1,260}`)).Draw(t, "name")
		want := pattern.MatchString(name) && name != "." && name != ".." && !strings.HasPrefix(name, "__")
		require.Equal(t, want, metadata.ValidateTopicName(name) == nil)
	})
}

func TestI13NameCollision(t *testing.T) {
	existing := []string{"a.b", "c_d_e", "plain"}
	for name, collides := range map[string]bool{
		"a_b": true, "a.b": false, "ab": false, "c.d_e": true, "c.d.e": true, "c.de": false, "plain": false, "plain.": false,
	} {
		err := metadata.NameCollision(name, existing)
		require.Equal(t, collides, err != nil, name)
		if collides {
			require.ErrorIs(t, err, metadata.ErrInvalidName)
		}
	}
}
