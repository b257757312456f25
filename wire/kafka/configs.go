package kafka

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/skidway/skidway/units"
	"github.com/skidway/skidway/wire"
)

// config is a setting of Kafka's that a topic has here, too.
type config struct {
	name  string // Kafka's
	ours  string // "": it has but one value
	kind  kmsg.ConfigType
	value string // the one value
	// broker is the setting of a broker that topics take theirs from; "": none.
	broker string
	// native and kafka turn Kafka's text into ours and back.
	native func(text string) (string, error)
	kafka  func(text string, replicas int32) string
}

// configs are the settings that have a counterpart, and those whose only value is ours.
var configs = []config{
	{name: "retention.ms", ours: "retention", kind: kmsg.ConfigTypeLong, broker: "log.retention.ms",
		native: ageFromMs("-1"), kafka: ageToMs("-1")},
	{name: "retention.bytes", ours: "retention_bytes", kind: kmsg.ConfigTypeLong, broker: "log.retention.bytes",
		native: bytesFrom, kafka: bytesTo},
	{name: "max.message.bytes", ours: "max_batch_bytes", kind: kmsg.ConfigTypeInt, broker: "message.max.bytes",
		native: bytesFrom, kafka: bytesTo},
	{name: "message.timestamp.type", ours: "timestamps", kind: kmsg.ConfigTypeString,
		broker: "log.message.timestamp.type",
		native: func(text string) (string, error) {
			return word(text, map[string]string{"CreateTime": "create", "LogAppendTime": "append"})
		},
		kafka: func(text string, _ int32) string {
			return map[string]string{"create": "CreateTime", "append": "LogAppendTime"}[text]
		}},
	{name: "message.timestamp.before.max.ms", ours: "timestamp_before_max", kind: kmsg.ConfigTypeLong,
		broker: "log.message.timestamp.before.max.ms", native: ageFromMs(forever), kafka: ageToMs(forever)},
	{name: "message.timestamp.after.max.ms", ours: "timestamp_after_max", kind: kmsg.ConfigTypeLong,
		broker: "log.message.timestamp.after.max.ms", native: ageFromMs(forever), kafka: ageToMs(forever)},
	{name: "min.insync.replicas", ours: "min_in_sync", kind: kmsg.ConfigTypeInt, broker: "min.insync.replicas",
		native: func(text string) (string, error) { return text, nil },
		kafka: func(text string, replicas int32) string {
			if text == "auto" {
				return strconv.Itoa(int(max(replicas, 1)/2 + 1))
			}
			return text
		}},
	{name: "cleanup.policy", ours: "cleanup", kind: kmsg.ConfigTypeList, broker: "log.cleanup.policy",
		native: func(text string) (string, error) { return text, nil },
		kafka:  func(text string, _ int32) string { return text }},
	{name: "compression.type", value: "producer", kind: kmsg.ConfigTypeString, broker: "compression.type"},
	{name: "unclean.leader.election.enable", value: "false", kind: kmsg.ConfigTypeBoolean,
		broker: "unclean.leader.election.enable"},
	{name: "preallocate", value: "false", kind: kmsg.ConfigTypeBoolean, broker: "log.preallocate"},
}

// forever is Kafka's number of milliseconds that have no end.
const forever = "9223372036854775807"

// ageFromMs makes a function that reads milliseconds, of which one number stands for no limit.
func ageFromMs(unlimited string) func(string) (string, error) {
	return func(text string) (string, error) {
		if text == unlimited {
			return "forever", nil
		}
		ms, err := strconv.ParseInt(text, 10, 64)
		if err != nil || ms < 0 {
			return "", fmt.Errorf("%q is no number of milliseconds; %s is without limit", text, unlimited)
		}
		if ms > math.MaxInt64/int64(time.Millisecond) {
			return "forever", nil // more than 292 years
		}
		return strconv.FormatInt(max(ms, 1), 10) + "ms", nil
	}
}

// ageToMs is the opposite.
func ageToMs(unlimited string) func(string, int32) string {
	return func(text string, _ int32) string {
		d, err := units.ParseDuration(text)
		if err != nil {
			return unlimited
		}
		return strconv.FormatInt(d.Milliseconds(), 10)
	}
}

func bytesFrom(text string) (string, error) {
	n, err := strconv.ParseInt(text, 10, 64)
	switch {
	case err != nil || n < -1:
		return "", fmt.Errorf("%q is no number of bytes", text)
	case n == -1:
		return "none", nil
	}
	return text, nil
}

func bytesTo(text string, _ int32) string {
	n, err := units.ParseBytes(text)
	if err != nil {
		return "-1"
	}
	return strconv.FormatInt(n, 10)
}

func word(text string, words map[string]string) (string, error) {
	if ours, ok := words[text]; ok {
		return ours, nil
	}
	var known []string
	for w := range words {
		known = append(known, w)
	}
	slices.Sort(known)
	return "", fmt.Errorf("%q is none of %s", text, strings.Join(known, ", "))
}

func findConfig(name string) *config {
	for i := range configs {
		if configs[i].name == name {
			return &configs[i]
		}
	}
	return nil
}

// nativeSetting is what a setting of Kafka's says here: one setting, or none where it names the only value there is.
func nativeSetting(name, value string) ([]wire.Setting, *refusal) {
	refuse := func(format string, args ...any) ([]wire.Setting, *refusal) {
		return nil, &refusal{kerr.InvalidConfig.Code, name + ": " + fmt.Sprintf(format, args...)}
	}
	c := findConfig(name)
	switch {
	case c == nil:
		return refuse("this broker has no such setting")
	case c.ours == "" && value != c.value:
		return refuse("%q is not offered, only %q is", value, c.value)
	case c.ours == "":
		return nil, nil
	}
	text, err := c.native(value)
	if err != nil {
		return refuse("%v", err)
	}
	return []wire.Setting{{Name: c.ours, Value: text}}, nil
}

// configValue is a setting as Kafka's clients are told it.
type configValue struct {
	*config
	value  string
	source kmsg.ConfigSource
	fixed  bool
}

// configValues are the settings of a topic with that many replicas.
func configValues(values []wire.SettingValue, replicas int32) []configValue {
	list := make([]configValue, 0, len(configs))
	for i := range configs {
		v := configValue{config: &configs[i], value: configs[i].value, source: kmsg.ConfigSourceDefaultConfig, fixed: true}
		if v.ours != "" {
			at := slices.IndexFunc(values, func(s wire.SettingValue) bool { return s.Name == v.ours })
			if at < 0 {
				continue
			}
			v.value, v.source, v.fixed = v.kafka(values[at].Value, replicas), sourceOf(values[at].Origin), false
		}
		list = append(list, v)
	}
	return list
}

func sourceOf(origin string) kmsg.ConfigSource {
	switch origin {
	case wire.OriginTopic:
		return kmsg.ConfigSourceDynamicTopicConfig
	case wire.OriginBroker:
		return kmsg.ConfigSourceStaticBrokerConfig
	}
	return kmsg.ConfigSourceDefaultConfig
}

// changeCode is errorCode for an error of a request that makes or changes a topic.
func changeCode(e *wire.Error) int16 {
	if e.Code == wire.CodeUnsupported {
		return kerr.InvalidConfig.Code // such as compaction
	}
	return errorCode(e)
}
