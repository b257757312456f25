package kv

import (
	"bytes"
	"io"
	"sync"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// contents is what the file system has of a file.
func contents(t require.TestingT, fs vfs.FS, name string) []byte {
	f, err := fs.Open(name)
	require.NoError(t, err)
	b, err := io.ReadAll(f)
	require.NoError(t, err)
	require.NoError(t, f.Close())
	return b
}

// What is gathered is in the file, in order, after each Sync and SyncData, as far as SyncTo was asked, and after Close;
// a power loss after a sync keeps what was written before it. Each write of the file ends at a multiple of the buffer's
// size, but for those that a sync calls for.
func TestGatheredIsWhatWasWritten(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		fs := vfs.NewCrashableMem()
		dir, err := fs.OpenDir("")
		require.NoError(t, err)
		file, err := fs.Create("f", vfs.WriteCategoryUnspecified)
		require.NoError(t, err)
		require.NoError(t, dir.Sync())
		pool, size := new(sync.Pool), rapid.SampledFrom([]int{16, 64, 256}).Draw(t, "buffer")
		g := gather(file, pool, size)
		var want []byte
		for range rapid.IntRange(1, 30).Draw(t, "steps") {
			switch rapid.IntRange(0, 5).Draw(t, "step") {
			case 0:
				require.NoError(t, g.Sync())
				require.Equal(t, string(want), string(contents(t, fs, "f")))
				require.Equal(t, string(want), string(contents(t, fs.CrashClone(vfs.CrashCloneCfg{}), "f")))
			case 1:
				require.NoError(t, g.SyncData())
				require.Equal(t, string(want), string(contents(t, fs.CrashClone(vfs.CrashCloneCfg{}), "f")))
			case 2:
				n := rapid.IntRange(0, len(want)).Draw(t, "to")
				_, err := g.SyncTo(int64(n))
				require.NoError(t, err)
				require.GreaterOrEqual(t, len(contents(t, fs, "f")), n)
			default:
				p := rapid.SliceOfN(rapid.Byte(), 0, 3*size).Draw(t, "bytes")
				n, err := g.Write(p)
				require.NoError(t, err)
				require.Equal(t, len(p), n)
				want = append(want, p...)
			}
			have := contents(t, fs, "f")
			require.True(t, bytes.HasPrefix(want, have), "what is there is a prefix")
			require.Less(t, len(want)-len(have), size, "less than a buffer is held back")
		}
		require.NoError(t, g.Close())
		require.Equal(t, string(want), string(contents(t, fs, "f")))
	})
}
