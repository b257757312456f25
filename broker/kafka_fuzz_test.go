package broker

import (
	"encoding/binary"
	"io"
	"net"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/skidway/skidway/wire/kafka"
)

// FuzzKafka sends any bytes as the body of a request of any kind and version to a real broker, which must answer it or
// close the connection, and serve on.
func FuzzKafka(f *testing.F) {
	n := startNode(f, onKafka)
	n.create("t", 2)
	for _, key := range kafka.Keys() {
		for version := range kmsg.RequestForKey(key).MaxVersion() + 1 {
			req := kmsg.RequestForKey(key)
			req.SetVersion(version)
			f.Add(key, version, req.AppendTo(nil))
		}
	}
	f.Add(int16(0), int16(9), kafkaProduce(9, "t", -1, batch(f, "v")).AppendTo(nil))
	f.Add(int16(0), int16(3), kafkaProduce(3, "t", 0, batch(f, "v")).AppendTo(nil))
	f.Add(int16(1), int16(12), kafkaFetch(12, map[string]int64{"t": 0}).AppendTo(nil))
	f.Fuzz(func(t *testing.T, key, version int16, body []byte) {
		c, err := net.Dial("tcp", n.KafkaAddr().String())
		require.NoError(t, err)
		defer c.Close()
		require.NoError(t, c.SetDeadline(time.Now().Add(time.Minute)))
		frame := binary.BigEndian.AppendUint32(nil, uint32(10+len(body)))
		frame = binary.BigEndian.AppendUint16(frame, uint16(key))
		frame = binary.BigEndian.AppendUint16(frame, uint16(version))
		frame = append(frame, 0, 0, 0, 7, 0xff, 0xff) // a correlation id, and no client id
		_, err = c.Write(append(frame, body...))
		require.NoError(t, err)
		require.NoError(t, c.(*net.TCPConn).CloseWrite())
		answer, err := io.ReadAll(c)
		if err == nil && len(answer) > 0 {
			require.Equal(t, uint32(len(answer)-4), binary.BigEndian.Uint32(answer))
			require.Equal(t, uint32(7), binary.BigEndian.Uint32(answer[4:]))
		}
		require.Zero(t, n.kafka.server.Stats().Panics)
	})
}
