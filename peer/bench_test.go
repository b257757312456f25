package peer

import (
	"crypto/cipher"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
)

// untagged is what a session would cost without tags: it makes none and takes any.
type untagged struct{ cipher.AEAD }

func (untagged) Seal(dst, _, _, _ []byte) []byte          { return append(dst, make([]byte, tagBytes)...) }
func (untagged) Open(dst, _, _, _ []byte) ([]byte, error) { return dst, nil }

// BenchmarkLink measures Data from one broker to another over loopback, both in this process, released as it
// comes; the numbers of docs/design/0010-peers.md.
func BenchmarkLink(b *testing.B) {
	for _, size := range []int{1 << 10, 16 << 10, 256 << 10} {
		for _, tags := range []string{"gmac", "none"} {
			b.Run(fmt.Sprintf("batch=%dKiB/tag=%s", size>>10, tags), func(b *testing.B) { benchmarkLink(b, size, tags) })
		}
	}
}

func benchmarkLink(b *testing.B, size int, tags string) {
	leader, follower := start(b, 1, nil), start(b, 2, nil)
	up, down := follower.follow(leader)
	if tags == "none" { // both ends are idle until the next heartbeat
		follower.session(up).open.gcm = untagged{}
		leader.session(down).seal.gcm = untagged{}
	}
	m := data(0, size)
	b.SetBytes(int64(size))
	b.ResetTimer()
	go func() {
		for sent := 0; sent < b.N; {
			if leader.Send(down, p0, m) == nil {
				sent++
				continue
			}
			<-leader.Ready()
			leader.Events()
		}
	}()
	for got := 0; got < b.N; {
		<-follower.Ready()
		for _, ev := range follower.Events() {
			switch ev := ev.(type) {
			case Received:
				got += len(ev.Messages)
				follower.Release(up, ev.Data)
			case Disconnected:
				require.Fail(b, "a link is over", ev.Why)
			}
		}
	}
	b.StopTimer()
}

// BenchmarkTag measures a tag alone.
func BenchmarkTag(b *testing.B) {
	for _, size := range []int{64, 4 << 10, targetFrame} {
		b.Run(fmt.Sprint(size), func(b *testing.B) {
			s := newTestSealer(b)
			frame := make([]byte, size, size+tagBytes)
			b.SetBytes(int64(size))
			for b.Loop() {
				s.seal(frame)
			}
		})
	}
}
