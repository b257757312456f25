package bench

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// The disk counts what is synced to it, not the folio that holds it: a page that is overwritten again and again in a
// file of 1 MiB costs a page each time.
func TestDeviceWritten(t *testing.T) {
	dir := t.TempDir()
	before, err := deviceWritten(dir)
	require.NoError(t, err)
	var s unix.Statfs_t
	require.NoError(t, unix.Statfs(dir, &s))
	if s.Type == unix.TMPFS_MAGIC {
		require.Zero(t, before, "tmpfs has no disk")
		return
	}
	f, err := os.Create(filepath.Join(dir, "file"))
	require.NoError(t, err)
	_, err = f.Write(make([]byte, 1<<20))
	require.NoError(t, err)
	require.NoError(t, f.Sync())
	require.NoError(t, f.Close())
	after, err := deviceWritten(dir)
	require.NoError(t, err)
	if before != 0 || after != 0 { // else a file system without a disk of its own, such as overlayfs on some machines
		require.GreaterOrEqual(t, after-before, int64(1<<20))
	}
	_, err = deviceWritten(filepath.Join(dir, "missing"))
	require.ErrorIs(t, err, os.ErrNotExist)
}
