package metadata_test

import (
	"bytes"
	"math"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/vmihailenco/msgpack/v5"
	"pgregory.net/rapid"

	"github.com/skidway/skidway/metadata"
)

func TestTopicRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		topic := metadata.Topic{
			ID:         rapid.Uint64Range(1, math.MaxUint64).Draw(t, "id"),
			Name:       "orders",
			Partitions: rapid.Int32Range(1, metadata.MaxPartitions).Draw(t, "partitions"),
			Replicas:   rapid.Int32Range(1, math.MaxInt32).Draw(t, "replicas"),
			Created:    rapid.Int64().Draw(t, "created"),
			Deleting:   rapid.Bool().Draw(t, "deleting"),
		}
		if settings := rapid.MapOf(rapid.String(), rapid.String()).Draw(t, "settings"); len(settings) > 0 {
			topic.Settings = settings
		}
		data := metadata.EncodeTopic(topic)
		got, err := metadata.DecodeTopic("orders", data)
		require.NoError(t, err)
		require.Equal(t, topic, got)
		require.Equal(t, data, metadata.EncodeTopic(got), "the same bytes for the same topic")
		for n := range data { // a node that was cut short is damage
			_, err := metadata.DecodeTopic("orders", data[:n])
			require.ErrorIs(t, err, metadata.ErrCorrupt)
		}
	})
}

// node encodes fields as another program, or a newer version, might.
func node(t testing.TB, fields map[string]any) []byte {
	var buf bytes.Buffer
	enc := msgpack.NewEncoder(&buf)
	enc.SetSortMapKeys(true)
	require.NoError(t, enc.Encode(fields))
	return buf.Bytes()
}

func goodFields() map[string]any {
	return map[string]any{
		"v": 1, "id": uint64(7), "partitions": 2, "rf": 1, "created": int64(5), "state": "active",
		"config": map[string]string{},
	}
}

// G30: fields that only a newer version knows survive a rewrite by this one.
func TestG30UnknownFieldsAreKept(t *testing.T) {
	s, ctx := newStore(t), t.Context()
	fields := goodFields()
	fields["min_isr"] = 2
	fields["tiers"] = map[string]any{"cold": []any{"s3", 3.5, nil, true, []byte{1, 2}}}
	require.NoError(t, s.Multi(ctx, metadata.Create("/topics/orders", node(t, fields))))
	_, err := metadata.AddPartitions(ctx, s, "orders", 4, 10)
	require.NoError(t, err)
	deleteTopic(t, s, "orders")
	n, err := s.Get(ctx, "/topics/orders")
	require.NoError(t, err)
	fields["partitions"], fields["state"] = 4, "deleting"
	var want, got map[string]any
	require.NoError(t, msgpack.Unmarshal(node(t, fields), &want))
	require.NoError(t, msgpack.Unmarshal(n.Data, &got))
	require.EqualValues(t, 2, got["min_isr"])
	require.Equal(t, want["tiers"], got["tiers"])
	require.Len(t, got, len(want))

	// The counter of ids likewise.
	require.NoError(t, s.Multi(ctx, metadata.Set("/ids/producer",
		node(t, map[string]any{"v": 1, "next": uint64(100), "owner": "x"}), metadata.AnyVersion)))
	first, err := metadata.AllocateProducerIDs(ctx, s, 5)
	require.NoError(t, err)
	require.EqualValues(t, 100, first)
	n, err = s.Get(ctx, "/ids/producer")
	require.NoError(t, err)
	require.Equal(t, node(t, map[string]any{"v": uint64(1), "next": uint64(105), "owner": "x"}), canonical(t, n.Data))
}

// canonical encodes the node's fields again, as node does.
func canonical(t testing.TB, data []byte) []byte {
	var fields map[string]any
	dec := msgpack.NewDecoder(bytes.NewReader(data))
	dec.UseLooseInterfaceDecoding(true)
	require.NoError(t, dec.Decode(&fields))
	fields["v"], fields["next"] = uint64(1), uint64(fields["next"].(int64))
	return node(t, fields)
}

func TestDecodeTopicRefuses(t *testing.T) {
	deep := any("x")
	for range 100 {
		deep = []any{deep}
	}
	for _, tc := range []struct {
		name  string
		field string
		value any // nil: the field is left out
		want  error
	}{
		{"a newer format", "v", 2, metadata.ErrNewerFormat},
		{"no format", "v", nil, metadata.ErrCorrupt},
		{"no id", "id", nil, metadata.ErrCorrupt},
		{"id 0", "id", 0, metadata.ErrCorrupt},
		{"negative id", "id", -1, metadata.ErrCorrupt},
		{"id as text", "id", "7", metadata.ErrCorrupt},
		{"no partitions", "partitions", 0, metadata.ErrCorrupt},
		{"too many partitions", "partitions", metadata.MaxPartitions + 1, metadata.ErrCorrupt},
		{"partitions as a fraction", "partitions", 1.5, metadata.ErrCorrupt},
		{"partitions as nothing", "partitions", []any{}, metadata.ErrCorrupt},
		{"partitions beyond int64", "partitions", uint64(math.MaxUint64), metadata.ErrCorrupt},
		{"no replicas", "rf", -3, metadata.ErrCorrupt},
		{"unknown state", "state", "resting", metadata.ErrCorrupt},
		{"state as bytes", "state", []byte("active"), metadata.ErrCorrupt},
		{"config as a list", "config", []string{"a", "b"}, metadata.ErrCorrupt},
		{"config of numbers", "config", map[string]int{"retention": 5}, metadata.ErrCorrupt},
		{"nested too deep", "other", deep, metadata.ErrCorrupt},
	} {
		t.Run(tc.name, func(t *testing.T) {
			fields := goodFields()
			fields[tc.field] = tc.value
			if tc.value == nil {
				delete(fields, tc.field)
			}
			_, err := metadata.DecodeTopic("orders", node(t, fields))
			require.ErrorIs(t, err, tc.want)
			require.ErrorContains(t, err, `topic "orders"`)
		})
	}
	good := node(t, goodFields())
	_, err := metadata.DecodeTopic("orders", good)
	require.NoError(t, err)
	for name, data := range map[string][]byte{
		"nothing": nil, "nil": {0xc0}, "no map": {0x93, 1, 2, 3}, "left over": append(bytes.Clone(good), 0),
		"a length beyond the end": {0xdf, 0xff, 0xff, 0xff, 0xff},
		"a field twice":           {0x82, 0xa1, 'v', 1, 0xa1, 'v', 1},
	} {
		_, err := metadata.DecodeTopic("orders", data)
		require.ErrorIs(t, err, metadata.ErrCorrupt, name)
	}
}

// A damaged node is an error that names it, never a topic that is not there.
func TestDamagedNodes(t *testing.T) {
	s, ctx := newStore(t), t.Context()
	create(t, s, "good")
	require.NoError(t, s.Multi(ctx, metadata.Create("/topics/bad", []byte("junk")),
		metadata.Create("/deleted/12", []byte("junk")), metadata.Set("/ids/producer", nil, metadata.AnyVersion)))
	_, err := metadata.ListTopics(ctx, s)
	require.ErrorIs(t, err, metadata.ErrCorrupt)
	require.ErrorContains(t, err, `"bad"`)
	r := metadata.CreateTopics(ctx, s, []metadata.NewTopic{spec("bad"), spec("fine")}, roomy)
	require.ErrorIs(t, r[0].Err, metadata.ErrCorrupt)
	require.NoError(t, r[1].Err)
	require.ErrorIs(t, metadata.DeleteTopics(ctx, s, []string{"bad"}, 1)[0].Err, metadata.ErrCorrupt)
	_, err = metadata.PurgeTombstones(ctx, s, math.MaxInt64)
	require.ErrorIs(t, err, metadata.ErrCorrupt)
	_, err = metadata.AllocateProducerIDs(ctx, s, 1)
	require.ErrorIs(t, err, metadata.ErrCorrupt)
	require.NoError(t, s.Multi(ctx, metadata.Delete("/deleted/12", 0), metadata.Create("/deleted/twelve", nil)))
	_, err = metadata.ListTombstones(ctx, s)
	require.ErrorIs(t, err, metadata.ErrCorrupt)
}

func FuzzDecodeTopic(f *testing.F) {
	f.Add(metadata.EncodeTopic(metadata.Topic{ID: 1, Partitions: 1, Replicas: 1}))
	fields := goodFields()
	fields["other"] = []any{map[string]any{"x": 1.5}, "y", []byte{1}}
	fields["config"] = map[string]string{"retention": "7d"}
	f.Add(node(f, fields))
	f.Add([]byte{0xdf, 0xff, 0xff, 0xff, 0xff, 0xa1, 'v', 1})
	f.Fuzz(func(t *testing.T, data []byte) {
		topic, err := metadata.DecodeTopic("orders", data)
		if err != nil {
			return
		}
		encoded := metadata.EncodeTopic(topic)
		again, err := metadata.DecodeTopic("orders", encoded)
		require.NoError(t, err)
		require.Equal(t, topic, again)
		require.Equal(t, encoded, metadata.EncodeTopic(again))
	})
}
