package replication

import (
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/vmihailenco/msgpack/v5"

	"github.com/skidway/skidway/metadata"
)

func sampleState() State {
	return State{
		Replicas: []int32{1, 2, 3}, Adding: []int32{3}, MinISR: 2, Leader: 1, LeaderBrokerEpoch: 7, LeaderEpoch: 4,
		ISR: []Member{{1, 11}, {2, 1 << 63}}, ELR: []Member{{3, 33}}, LastLeader: NoLeader, UncleanEpochs: []int32{2},
		ControllerEpoch: 9, Change: Change{By: 1, BrokerEpoch: 7, Seq: 5},
	}
}

func TestStateRoundTrip(t *testing.T) {
	got, err := DecodeState(EncodeState(sampleState()))
	require.NoError(t, err)
	require.Equal(t, sampleState(), got)
}

// A field that only a newer broker knows survives a rewrite by an older one (G30).
func TestG30UnknownFieldsAreKept(t *testing.T) {
	s := sampleState()
	field, err := msgpack.Marshal(map[string]any{"later": []int{1, 2}})
	require.NoError(t, err)
	s.Unknown = [][]byte{field, {0xc0}}
	got, err := DecodeState(EncodeState(s))
	require.NoError(t, err)
	got.LeaderEpoch++
	again, err := DecodeState(EncodeState(got))
	require.NoError(t, err)
	require.Equal(t, s.Unknown, again.Unknown)
}

func TestStateRefusesWhatIsNone(t *testing.T) {
	good := EncodeState(sampleState())
	for n := range good {
		_, err := DecodeState(good[:n])
		require.ErrorIs(t, err, metadata.ErrCorrupt, "the first %d bytes", n)
	}
	_, err := DecodeState(append(good, 0))
	require.ErrorIs(t, err, metadata.ErrCorrupt)
	newer := append([]byte{}, good...)
	newer[1] = 2
	_, err = DecodeState(newer)
	require.ErrorIs(t, err, metadata.ErrNewerFormat)
	_, err = DecodeState([]byte{0xdd, 0xff, 0xff, 0xff, 0xff, 1})
	require.ErrorIs(t, err, metadata.ErrCorrupt)
}

func FuzzDecodeState(f *testing.F) {
	f.Add(EncodeState(sampleState()))
	f.Add([]byte{0xdd, 0xff, 0xff, 0xff, 0xff, 1})
	f.Fuzz(func(t *testing.T, data []byte) {
		s, err := DecodeState(data)
		if err != nil {
			return
		}
		again, err := DecodeState(EncodeState(s))
		require.NoError(t, err)
		require.Equal(t, s, again)
	})
}
