package faultfs

import (
	"errors"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"syscall"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

const category = vfs.WriteCategoryUnspecified

func open(t require.TestingT, root string, o Options) *FS {
	fs, err := New(root, o)
	require.NoError(t, err)
	return fs
}

func write(t require.TestingT, f vfs.File, text string) {
	_, err := f.Write([]byte(text))
	require.NoError(t, err)
}

func read(t require.TestingT, fs *FS, name string) string {
	f, err := fs.Open(name)
	require.NoError(t, err)
	defer f.Close()
	b, err := io.ReadAll(f)
	require.NoError(t, err)
	return string(b)
}

func syncDir(t require.TestingT, fs *FS, dir string) {
	d, err := fs.OpenDir(dir)
	require.NoError(t, err)
	require.NoError(t, d.Sync())
	require.NoError(t, d.Close())
}

// A power loss takes the bytes that were not synced, and the names whose directory was not.
func TestPowerLossTakesWhatWasNotSynced(t *testing.T) {
	root := t.TempDir()
	fs := open(t, root, Options{})
	kept, err := fs.Create(filepath.Join(root, "kept"), category)
	require.NoError(t, err)
	write(t, kept, "synced")
	require.NoError(t, kept.Sync())
	syncDir(t, fs, root)
	write(t, kept, " and not")
	nameless, err := fs.Create(filepath.Join(root, "nameless"), category)
	require.NoError(t, err)
	write(t, nameless, "bytes without a name")
	require.NoError(t, nameless.Sync())
	require.Equal(t, "synced and not", read(t, fs, filepath.Join(root, "kept")))

	fs = open(t, root, Options{})
	require.Equal(t, "synced", read(t, fs, filepath.Join(root, "kept")))
	_, err = fs.Stat(filepath.Join(root, "nameless"))
	require.ErrorIs(t, err, os.ErrNotExist)
}

// A removed file comes back when its directory was not synced (B5), with the bytes that its inode has by then.
func TestRemovalAndRenameAreLostWithoutADirectorySync(t *testing.T) {
	root := t.TempDir()
	fs := open(t, root, Options{})
	for _, name := range []string{"a", "b"} {
		f, err := fs.Create(filepath.Join(root, name), category)
		require.NoError(t, err)
		write(t, f, "content of "+name)
		require.NoError(t, f.Sync())
		require.NoError(t, f.Close())
	}
	syncDir(t, fs, root)
	require.NoError(t, fs.Remove(filepath.Join(root, "a")))
	f, err := fs.ReuseForWrite(filepath.Join(root, "b"), filepath.Join(root, "c"), category)
	require.NoError(t, err)
	write(t, f, "REUSED")
	require.NoError(t, f.Sync())

	fs = open(t, root, Options{})
	names, err := fs.List(root)
	require.NoError(t, err)
	require.Equal(t, []string{"a", "b"}, names)
	require.Equal(t, "REUSEDt of b", read(t, fs, filepath.Join(root, "b")))
}

func TestKnobs(t *testing.T) {
	root := t.TempDir()
	o, err := ParseOptions("lie-after=2,capacity=8192,stall-every=1,stall=1ms,seed=3,writeback=0")
	require.NoError(t, err)
	require.Equal(t, Options{Seed: 3, LieAfter: 2, Capacity: 8192, StallEvery: 1, Stall: time.Millisecond}, o)
	fs := open(t, root, o)
	f, err := fs.Create(filepath.Join(root, "f"), category)
	require.NoError(t, err)
	write(t, f, "honest")
	require.NoError(t, f.Sync())
	write(t, f, ", then a lie")
	require.NoError(t, f.Sync())
	_, err = f.Write(make([]byte, 8192))
	require.ErrorIs(t, err, syscall.ENOSPC)
	usage, err := fs.GetDiskUsage(root)
	require.NoError(t, err)
	require.EqualValues(t, 8192-18, usage.AvailBytes)

	fs = open(t, t.TempDir(), Options{FailWriteAfter: 2, FailSyncAfter: 2})
	f, err = fs.Create(filepath.Join(fs.root, "f"), category)
	require.NoError(t, err)
	write(t, f, "one")
	require.NoError(t, f.Sync())
	_, err = f.Write([]byte("two"))
	require.ErrorIs(t, err, syscall.EIO)
	require.ErrorIs(t, f.Sync(), syscall.EIO)

	_, err = ParseOptions("sead=1,stall=soon")
	require.ErrorContains(t, err, `"sead=1"`)
	require.ErrorContains(t, err, `"stall=soon"`)
}

func TestOutsideTheRootIsRefused(t *testing.T) {
	fs := open(t, t.TempDir(), Options{})
	_, err := fs.Create(filepath.Join(t.TempDir(), "f"), category)
	require.ErrorContains(t, err, "lies outside")
}

// content is a model file: what is seen, and what a power loss leaves.
type content struct{ live, durable []byte }

// model is a naive volatile file system: names refer to contents; a sync copies live to durable.
type model struct {
	live, durable map[string]*content
}

func (m *model) powerLoss() {
	m.live = maps.Clone(m.durable)
	for _, c := range m.live {
		c.live = slices.Clone(c.durable)
	}
}

// TestAgainstModel does random operations on an FS and on the naive model, loses power at random, and compares all
// files after each step.
func TestAgainstModel(t *testing.T) {
	base := t.TempDir()
	rapid.Check(t, func(t *rapid.T) {
		root, err := os.MkdirTemp(base, "root")
		require.NoError(t, err)
		fs := open(t, root, Options{})
		m := &model{live: map[string]*content{}, durable: map[string]*content{}}
		name := rapid.SampledFrom([]string{"a", "b", "c"})
		path := func(n string) string { return filepath.Join(root, n) }
		existing := func(t *rapid.T) string {
			n := name.Draw(t, "name")
			if m.live[n] == nil {
				t.Skip("no such file")
			}
			return n
		}
		writeAt := func(t *rapid.T, n string, sync bool) {
			f, err := fs.OpenReadWrite(path(n), category)
			require.NoError(t, err)
			off := rapid.IntRange(0, 3*pageSize).Draw(t, "offset")
			p := rapid.SliceOfN(rapid.Byte(), 1, 2*pageSize).Draw(t, "bytes")
			_, err = f.WriteAt(slices.Clone(p), int64(off))
			require.NoError(t, err)
			c := m.live[n]
			if grow := off + len(p) - len(c.live); grow > 0 {
				c.live = append(c.live, make([]byte, grow)...)
			}
			copy(c.live[off:], p)
			if sync {
				require.NoError(t, f.SyncData())
				c.durable = slices.Clone(c.live)
			}
			require.NoError(t, f.Close())
		}
		t.Repeat(map[string]func(*rapid.T){
			"create": func(t *rapid.T) {
				n := name.Draw(t, "name")
				f, err := fs.Create(path(n), category)
				require.NoError(t, err)
				require.NoError(t, f.Close())
				m.live[n] = &content{}
			},
			"write":     func(t *rapid.T) { writeAt(t, existing(t), false) },
			"writeSync": func(t *rapid.T) { writeAt(t, existing(t), true) },
			"remove": func(t *rapid.T) {
				n := existing(t)
				require.NoError(t, fs.Remove(path(n)))
				delete(m.live, n)
			},
			"rename": func(t *rapid.T) {
				n, to := existing(t), name.Draw(t, "to")
				if n == to || m.live[n] == m.live[to] {
					t.Skip("a rename onto itself")
				}
				require.NoError(t, fs.Rename(path(n), path(to)))
				m.live[to] = m.live[n]
				delete(m.live, n)
			},
			"link": func(t *rapid.T) {
				n, to := existing(t), name.Draw(t, "to")
				err := fs.Link(path(n), path(to))
				if m.live[to] != nil {
					require.True(t, errors.Is(err, os.ErrExist))
					return
				}
				require.NoError(t, err)
				m.live[to] = m.live[n]
			},
			"syncDir": func(t *rapid.T) {
				syncDir(t, fs, root)
				m.durable = maps.Clone(m.live)
			},
			"powerLoss": func(t *rapid.T) {
				fs = open(t, root, Options{})
				m.powerLoss()
			},
			"": func(t *rapid.T) {
				names, err := fs.List(root)
				require.NoError(t, err)
				require.ElementsMatch(t, slices.Collect(maps.Keys(m.live)), names)
				for n, c := range m.live {
					require.Equal(t, string(c.live), read(t, fs, path(n)))
				}
			},
		})
	})
}
