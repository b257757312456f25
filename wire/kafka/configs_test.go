package kafka

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/skidway/skidway/wire"
)

func TestConfigsToNative(t *testing.T) {
	for _, c := range []struct{ name, value, want string }{
		{"retention.ms", "604800000", "retention=604800000ms"},
		{"retention.ms", "-1", "retention=forever"},
		{"retention.ms", "0", "retention=1ms"},
		{"retention.ms", "9223372036854775807", "retention=forever"},
		{"retention.ms", "week", `retention.ms: "week" is no number of milliseconds; -1 is without limit`},
		{"retention.bytes", "-1", "retention_bytes=none"},
		{"retention.bytes", "1024", "retention_bytes=1024"},
		{"max.message.bytes", "1MiB", `max.message.bytes: "1MiB" is no number of bytes`},
		{"message.timestamp.type", "LogAppendTime", "timestamps=append"},
		{"message.timestamp.type", "append",
			`message.timestamp.type: "append" is none of CreateTime, LogAppendTime`},
		{"message.timestamp.before.max.ms", "9223372036854775807", "timestamp_before_max=forever"},
		{"min.insync.replicas", "2", "min_in_sync=2"},
		{"cleanup.policy", "compact", "cleanup=compact"}, // the broker refuses it
		{"compression.type", "producer", ""},
		{"compression.type", "gzip", `compression.type: "gzip" is not offered, only "producer" is`},
		{"segment.bytes", "1", "segment.bytes: this broker has no such setting"},
	} {
		set, refused := nativeSetting(c.name, c.value)
		got := ""
		if refused != nil {
			got = refused.text
		} else if len(set) > 0 {
			got = set[0].Name + "=" + set[0].Value
		}
		require.Equal(t, c.want, got, c.name)
	}
}

func TestConfigsToKafka(t *testing.T) {
	values := configValues([]wire.SettingValue{
		{Name: "retention", Value: "7d", Origin: wire.OriginDefault},
		{Name: "retention_bytes", Value: "none", Origin: wire.OriginBroker},
		{Name: "max_batch_bytes", Value: "1MiB", Origin: wire.OriginTopic},
		{Name: "timestamps", Value: "append"}, {Name: "timestamp_before_max", Value: "forever"},
		{Name: "timestamp_after_max", Value: "1h"}, {Name: "min_in_sync", Value: "auto"}, {Name: "cleanup", Value: "delete"},
	}, 3)
	got := map[string]string{}
	for _, v := range values {
		got[v.name] = v.value + " " + v.source.String()
	}
	require.Equal(t, map[string]string{
		"retention.ms": "604800000 DEFAULT_CONFIG", "retention.bytes": "-1 STATIC_BROKER_CONFIG",
		"max.message.bytes": "1048576 DYNAMIC_TOPIC_CONFIG", "message.timestamp.type": "LogAppendTime DEFAULT_CONFIG",
		"message.timestamp.before.max.ms": "9223372036854775807 DEFAULT_CONFIG",
		"message.timestamp.after.max.ms":  "3600000 DEFAULT_CONFIG", "min.insync.replicas": "2 DEFAULT_CONFIG",
		"cleanup.policy": "delete DEFAULT_CONFIG", "compression.type": "producer DEFAULT_CONFIG",
		"unclean.leader.election.enable": "false DEFAULT_CONFIG", "preallocate": "false DEFAULT_CONFIG",
	}, got)
}
