package kafka

import (
	"encoding/binary"
	"math/rand/v2"
	"reflect"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// fill gives all fields of a request values drawn by lot.
func fill(v reflect.Value, lot *rand.Rand) {
	switch v.Kind() {
	case reflect.Struct:
		for i := range v.NumField() {
			if name := v.Type().Field(i).Name; name != "Version" && name != "UnknownTags" {
				fill(v.Field(i), lot)
			}
		}
	case reflect.Pointer:
		if lot.IntN(4) > 0 {
			v.Set(reflect.New(v.Type().Elem()))
			fill(v.Elem(), lot)
		}
	case reflect.Slice:
		if n := lot.IntN(4); n > 0 {
			v.Set(reflect.MakeSlice(v.Type(), n, n))
			for i := range n {
				fill(v.Index(i), lot)
			}
		}
	case reflect.Array:
		for i := range v.Len() {
			fill(v.Index(i), lot)
		}
	case reflect.String:
		v.SetString("a name"[:lot.IntN(7)])
	case reflect.Bool:
		v.SetBool(lot.IntN(2) == 1)
	case reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		v.SetInt(int64(lot.IntN(100)) - 1)
	case reflect.Uint8, reflect.Uint16, reflect.Uint32:
		v.SetUint(uint64(lot.IntN(100)))
	default:
		panic("no way to fill a " + v.Kind().String())
	}
}

// requestOf is a request of a kind with fields drawn by lot.
func requestOf(k *kind, version int16, lot *rand.Rand) kmsg.Request {
	req := kmsg.RequestForKey(k.key)
	fill(reflect.ValueOf(req).Elem(), lot)
	req.SetVersion(version)
	return req
}

// Each layout takes what kmsg writes, in each version that is served, and neither less nor more.
func TestLayoutsAreThoseOfKmsg(t *testing.T) {
	lot := rand.New(rand.NewPCG(1, 2))
	for _, k := range kindTable() {
		for version := k.min; version <= k.max; version++ {
			for range 50 {
				req := requestOf(&k, version, lot)
				body := req.AppendTo(nil)
				flexible := req.IsFlexible()
				same, err := k.layout.check(body, version, flexible)
				require.NoError(t, err, "%T version %d: %+v", req, version, req)
				if len(same) == len(body) {
					require.Equal(t, body, same) // it had no tags
				}
				more, err := k.layout.check(append(body, 0), version, flexible)
				require.NoError(t, err, "%T version %d", req, version)
				require.Equal(t, string(same), string(more)) // which it would not be if the layout had a field too many, or too few
				if cut := lot.IntN(max(len(body), 1)); cut < len(body) {
					_, err = k.layout.check(body[:cut], version, flexible)
					require.Error(t, err, "%T version %d", req, version)
				}
			}
		}
	}
}

// What a layout takes, kmsg reads, and never allocates more for than its elements take.
func FuzzRequests(f *testing.F) {
	kinds := kindTable()
	lot := rand.New(rand.NewPCG(3, 4))
	for i := range kinds {
		k := &kinds[i]
		for version := k.min; version <= k.max; version++ {
			f.Add(k.key, version, requestOf(k, version, lot).AppendTo(nil))
		}
	}
	f.Fuzz(func(t *testing.T, key, version int16, body []byte) {
		k := find(kinds, key)
		if k == nil || version < k.min || version > k.max {
			return
		}
		req := kmsg.RequestForKey(key)
		req.SetVersion(version)
		if req.IsFlexible() {
			body = append([]byte{0}, body...) // the tags of the header
		}
		body, err := k.checked(req, body)
		if err != nil {
			return
		}
		require.NoError(t, req.ReadFrom(body))
		again := kmsg.RequestForKey(key)
		again.SetVersion(version)
		written := req.AppendTo(nil)
		_, err = k.layout.check(written, version, req.IsFlexible())
		require.NoError(t, err)
		require.NoError(t, again.ReadFrom(written))
	})
}

// Whatever a header says, it is read or refused.
func FuzzHeaders(f *testing.F) {
	f.Add([]byte{0, 18, 0, 3, 0, 0, 0, 1, 0, 2, 'm', 'e', 0})
	f.Add([]byte{0, 18, 0, 3, 0, 0, 0, 1, 0xff, 0xff})
	f.Fuzz(func(t *testing.T, frame []byte) {
		h, rest, err := readHeader(frame)
		if err != nil {
			return
		}
		require.LessOrEqual(t, len(h.clientID)+len(rest)+headerBytes+2, len(frame))
	})
}

// A count that the bytes do not bear out, or that is beyond all reason, is refused before anything is allocated for it.
func TestLayoutsRefuseHostileCounts(t *testing.T) {
	metadata := find(kindTable(), 3)
	check := func(version int16, flexible bool, body []byte) string {
		_, err := metadata.layout.check(body, version, flexible)
		require.Error(t, err)
		return err.Error()
	}
	require.Equal(t, "the request has more than 200000 elements",
		check(1, false, binary.BigEndian.AppendUint32(nil, 1<<30)))
	require.Equal(t, "the request ends 2 bytes early", check(1, false, binary.BigEndian.AppendUint32(nil, 100_000)))
	require.Equal(t, "an array of -2 elements", check(1, false, []byte{0xff, 0xff, 0xff, 0xfe}))
	require.Equal(t, "a length of -1", check(1, false, []byte{0, 0, 0, 1, 0xff, 0xff}))
	require.Equal(t, "the request has more than 200000 elements",
		check(9, true, binary.AppendUvarint(nil, 1<<31)))
	require.Contains(t, check(9, true, []byte{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}), "more than 32 bits")
	// Tags: kmsg would go round once for each that is declared.
	tags := append([]byte{1, 0, 0, 0}, binary.AppendUvarint(nil, 1<<31)...)
	require.Equal(t, "a struct has 2147483648 tags, at most 64 are taken", check(9, true, tags))
}

// What follows a request is left out, as Kafka's brokers do: librdkafka 2.16 sends three bytes too many with a Metadata
// of all topics.
func TestLayoutsLeaveTheRestOut(t *testing.T) {
	body, err := parseLayout("i").check([]byte{0, 0, 0, 7, 9, 9}, 0, false)
	require.NoError(t, err)
	require.Equal(t, []byte{0, 0, 0, 7}, body)
	body, err = parseLayout("i").check([]byte{0, 0, 0, 7, 1, 5, 2, 8, 8, 9, 9}, 0, true) // a tag, and two bytes
	require.NoError(t, err)
	require.Equal(t, []byte{0, 0, 0, 7, 0}, body)
}

// Tags are left out, wherever they stand: kmsg would go round once for each that a tag which it knows declares within.
func TestLayoutsLeaveTagsOut(t *testing.T) {
	req := kmsg.NewPtrFetchRequest()
	req.Version = 12
	topic := kmsg.NewFetchRequestTopic()
	topic.Topic, topic.Partitions = "t", []kmsg.FetchRequestTopicPartition{kmsg.NewFetchRequestTopicPartition()}
	req.Topics = append(req.Topics, topic)
	plain := req.AppendTo(nil)
	req.Topics[0].UnknownTags.Set(7, []byte("seven"))
	req.Topics[0].Partitions[0].UnknownTags.Set(9, nil)
	tagged := req.AppendTo(nil)
	replica := append(make([]byte, 12), 0xff, 0xff, 0xff, 0xff, 0xf) // ReplicaState, which ends with 2^32-1 tags
	tagged = append(append(tagged[:len(tagged)-1], 1, 1, byte(len(replica))), replica...)
	body, err := find(kindTable(), 1).layout.check(tagged, 12, true)
	require.NoError(t, err)
	require.Equal(t, plain, body)
}
