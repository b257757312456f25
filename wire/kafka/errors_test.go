package kafka

import (
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kerr"

	"github.com/skidway/skidway/wire"
)

// Every native error has its counterpart; and what may be repeated here, may be repeated by Kafka's clients.
func TestEveryErrorHasACounterpart(t *testing.T) {
	for _, code := range wire.Codes() {
		known := kafkaErrors[code]
		require.NotNil(t, known, code.Name())
		require.Equal(t, known.Code, errorCode(&wire.Error{Code: code}))
		if code.Retriable() {
			require.True(t, kerr.IsRetriable(known) || code == wire.CodeInstanceInUse, "%s as %v", code.Name(), known)
		}
	}
	require.Len(t, kafkaErrors, len(wire.Codes()))
	require.Zero(t, errorCode(nil))
	require.Equal(t, kerr.UnknownServerError.Code, errorCode(&wire.Error{Code: 9999}))
}

// The id of a topic tells its number, and that only in its own cluster.
func TestTopicUUID(t *testing.T) {
	id := topicUUID("a", 7)
	require.Equal(t, uint64(7), topicNumber("a", id))
	require.Zero(t, topicNumber("b", id))
	require.NotEqual(t, id, topicUUID("b", 7))
	require.NotEqual(t, id, topicUUID("a", 8))
	require.Equal(t, [16]byte{}, topicUUID("a", 0))
	require.Zero(t, topicNumber("a", [16]byte{}))
	for n := range uint64(100) {
		require.Zero(t, topicUUID("cluster", n)[0]&0x80)
	}
}
