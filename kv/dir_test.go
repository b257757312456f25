package kv

import (
	"bufio"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/stretchr/testify/require"
)

func closeStore(t testing.TB, s *Store) {
	t.Helper()
	require.NoError(t, s.Close())
}

func TestOpenMakesDirPrivate(t *testing.T) {
	noLeaks(t)
	dir := filepath.Join(t.TempDir(), "a", "b")
	s := mustOpen(t, diskOptions(dir))
	defer closeStore(t, s)
	info, err := os.Stat(dir)
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o700), info.Mode().Perm())
}

func TestOpenRefusesDir(t *testing.T) {
	type test struct {
		name  string
		make  func(t *testing.T, dir string)
		wants string
	}
	for _, tc := range []test{
		{"group writable", func(t *testing.T, dir string) {
			require.NoError(t, os.Chmod(dir, 0o770))
		}, "writable by others (mode 0770)"},
		{"world writable", func(t *testing.T, dir string) { require.NoError(t, os.Chmod(dir, 0o702)) }, "chmod 700"},
		{"a file", func(t *testing.T, dir string) {
			require.NoError(t, os.Remove(dir))
			require.NoError(t, os.WriteFile(dir, nil, 0o600))
		}, "not a directory"},
		{"other files", func(t *testing.T, dir string) {
			require.NoError(t, os.WriteFile(filepath.Join(dir, "precious.txt"), []byte("x"), 0o600))
		}, "holds precious.txt"},
		{"another Pebble store", func(t *testing.T, dir string) {
			db, err := pebble.Open(dir, &pebble.Options{Logger: &observer{log: quiet}})
			require.NoError(t, err)
			require.NoError(t, db.Close())
		}, "is not a Skidway store"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "store")
			require.NoError(t, os.Mkdir(dir, 0o700))
			tc.make(t, dir)
			noLeaks(t)
			before := listDir(t, dir)
			_, err := Open(diskOptions(dir))
			var dirErr *DirError
			require.ErrorAs(t, err, &dirErr)
			require.ErrorContains(t, err, tc.wants)
			require.ErrorContains(t, err, dir)
			require.Equal(t, before, listDir(t, dir), "the directory was changed")
		})
	}
}

// A write-ahead log with a directory of its own is private too, is looked
// through for damage, and is missed when it is gone.
func TestWALDir(t *testing.T) {
	noLeaks(t)
	mem := vfs.NewCrashableMem()
	o := memOptions(mem)
	o.WALDir = "log"
	s := mustOpen(t, o)
	for i := range 50 {
		do(t, s, func(w *Rows) { w.PutBatch(Partition{}, int64(i), value(i, 400)) })
	}
	require.Empty(t, files(t, mem, "store", suffix(walSuffix)))
	crash := func() *vfs.MemFS { return mem.CrashClone(vfs.CrashCloneCfg{}) }
	whole, flipped, gone, moved := crash(), crash(), crash(), crash()
	closeStore(t, s)

	o.FS = whole
	s = mustOpen(t, o)
	lasts, _ := batches(t, s, Partition{}, 0)
	require.Len(t, lasts, 50)
	closeStore(t, s)

	o.FS = flipped
	for _, path := range files(t, flipped, "log", suffix(walSuffix)) {
		data, err := flipped.UnsafeGetFileDataBuffer(path)
		require.NoError(t, err)
		if len(data) > 10_000 {
			data[5000] ^= 1
		}
	}
	_, err := Open(o)
	var corrupt *CorruptError
	require.ErrorAs(t, err, &corrupt)
	require.Regexp(t, `^log/\d+\.log$`, corrupt.File)

	o.FS = gone
	for _, path := range files(t, gone, "log", suffix(walSuffix)) {
		require.NoError(t, gone.Remove(path))
	}
	_, err = Open(o)
	require.ErrorAs(t, err, &corrupt)
	require.Equal(t, "log", corrupt.File)

	o.FS, o.WALDir = moved, ""
	_, err = Open(o)
	require.Error(t, err, "the log's directory was forgotten")
}

// listDir lists a directory but for the lock.
func listDir(t *testing.T, dir string) (names []string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil
	}
	for _, e := range entries {
		if e.Name() != lockName {
			names = append(names, e.Name())
		}
	}
	return names
}

// C16: a second opener is refused and told who holds the store, in the same
// process, through a link, and in another process.
func TestC16Locked(t *testing.T) {
	if dir := os.Getenv("KV_TEST_HOLD"); dir != "" {
		s := mustOpen(t, diskOptions(dir))
		os.Stdout.WriteString("held\n")
		bufio.NewReader(os.Stdin).ReadString('\n')
		closeStore(t, s)
		return
	}
	dir := t.TempDir()
	require.NoError(t, os.Chmod(dir, 0o700))
	link := filepath.Join(t.TempDir(), "link")
	require.NoError(t, os.Symlink(dir, link))
	requireLocked := func(dir string, pid int) {
		t.Helper()
		_, err := Open(diskOptions(dir))
		var locked *LockedError
		require.ErrorAs(t, err, &locked)
		require.Equal(t, pid, locked.PID)
	}
	s := mustOpen(t, diskOptions(dir))
	requireLocked(dir, os.Getpid())
	requireLocked(link, os.Getpid())
	closeStore(t, s)

	child := exec.Command(os.Args[0], "-test.run=^TestC16Locked$")
	child.Env = append(os.Environ(), "KV_TEST_HOLD="+dir)
	in, err := child.StdinPipe()
	require.NoError(t, err)
	out, err := child.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, child.Start())
	line, err := bufio.NewReader(out).ReadString('\n')
	require.NoError(t, err)
	require.Equal(t, "held\n", line)
	requireLocked(dir, child.Process.Pid)
	requireLocked(dir, child.Process.Pid) // asking did not take the lock away
	_, err = in.Write([]byte("\n"))
	require.NoError(t, err)
	require.NoError(t, in.Close())
	_ = child.Wait()
	closeStore(t, mustOpen(t, diskOptions(dir)))
}

// C14: a store of another cluster or broker is refused, and zero accepts it.
func TestC14Identity(t *testing.T) {
	fs := vfs.NewMem()
	o := memOptions(fs)
	o.ClusterID, o.BrokerID = "north", 3
	s := mustOpen(t, o)
	id := s.Identity()
	require.Equal(t, Identity{ClusterID: "north", BrokerID: 3, StorageID: id.StorageID,
		FormatVersion: FormatVersion, CleanStart: true}, id)
	closeStore(t, s)

	for wants, change := range map[string]func(*Options){
		"belongs to cluster id north, not south": func(o *Options) { o.ClusterID = "south" },
		"belongs to broker id 3, not 4":          func(o *Options) { o.BrokerID = 4 },
	} {
		o := memOptions(fs)
		change(&o)
		_, err := Open(o)
		var identity *IdentityError
		require.ErrorAs(t, err, &identity)
		require.ErrorContains(t, err, wants)
	}
	s = mustOpen(t, memOptions(fs))
	require.Equal(t, id, s.Identity())
	closeStore(t, s)

	other := mustOpen(t, memOptions(vfs.NewMem()))
	defer closeStore(t, other)
	require.NotEqual(t, id.StorageID, other.Identity().StorageID, "C13: a wiped disk has another storage id")
	require.Len(t, other.Identity().ClusterID, 22)
}

// A store that a newer release wrote is refused before anything is changed,
// by the layout's version and by Pebble's.
func TestOpenRefusesNewerFormat(t *testing.T) {
	t.Run("layout", func(t *testing.T) {
		fs := vfs.NewMem()
		o := memOptions(fs)
		o.testing.formatVersion = 9
		closeStore(t, mustOpenAs(t, o))
		before := fs.String()
		_, err := Open(memOptions(fs))
		var version *VersionError
		require.ErrorAs(t, err, &version)
		require.Equal(t, VersionError{Dir: "store", What: "store", Found: 9, Newest: 1}, *version)
		require.ErrorContains(t, err, "start the release that wrote it")
		require.Equal(t, before, fs.String())
	})
	t.Run("Pebble", func(t *testing.T) {
		dir := filepath.Join(t.TempDir(), "store")
		closeStore(t, mustOpen(t, diskOptions(dir)))
		found, err := filepath.Glob(filepath.Join(dir, "marker.format-version.*"))
		require.NoError(t, err)
		require.Len(t, found, 1)
		dot := strings.LastIndexByte(found[0], '.')
		require.NoError(t, os.Rename(found[0], found[0][:dot]+".999"))
		_, err = Open(diskOptions(dir))
		var version *VersionError
		require.ErrorAs(t, err, &version)
		require.EqualValues(t, 999, version.Found)
		require.EqualValues(t, pebble.FormatNewest, version.Newest)
	})
}

// mustOpenAs makes a store as a release of another format would.
func mustOpenAs(t *testing.T, o Options) *Store {
	t.Helper()
	s := newStore(o.withDefaults())
	require.NoError(t, s.open())
	s.start()
	return s
}

func TestOptionsReportEveryFault(t *testing.T) {
	_, err := Open(Options{Fsync: 7, FsyncInterval: 1, MemTableBytes: 1, DiskReserve: 2, BrokerID: -1,
		CacheBytes: -1, MaxOpenFiles: 1, DiskSlowAfter: -1, ClusterID: strings.Repeat("x", 300)})
	for _, want := range []string{"no data directory", "fsync policy 7", "fsync interval 1ns", "memtable of 1 bytes",
		"disk reserve 2", "broker id -1", "cache of -1", "1 open files", "slow after", "cluster id of 300"} {
		require.ErrorContains(t, err, want)
	}
}

func TestParseFsyncPolicy(t *testing.T) {
	for _, p := range []FsyncPolicy{FsyncBatch, FsyncInterval, FsyncOS} {
		got, err := ParseFsyncPolicy(p.String())
		require.NoError(t, err)
		require.Equal(t, p, got)
	}
	_, err := ParseFsyncPolicy("never")
	require.ErrorContains(t, err, "want batch, interval or os")
	require.Equal(t, "FsyncPolicy(9)", FsyncPolicy(9).String())
}

// B5, B11: a crash while the store is made leaves one that opens.
func TestB5CrashWhileMade(t *testing.T) {
	for k := int64(0); ; k += 1 + 100/fewer(100)/20 {
		fs := vfs.NewCrashableMem()
		var clone *vfs.MemFS
		hook := &crashFS{mem: fs, at: k, take: func(c *vfs.MemFS) { clone = c }}
		s := mustOpen(t, memOptions(hook.wrap()))
		closeStore(t, s)
		if clone == nil {
			require.Greater(t, k, int64(10))
			return
		}
		o := memOptions(clone)
		s, err := Open(o)
		var corrupt *CorruptError
		if errors.As(err, &corrupt) {
			t.Fatalf("crash at write %d: %v", k, err)
		}
		require.NoError(t, err)
		do(t, s, func(w *Rows) { w.PutNode("/x", nil) })
		closeStore(t, s)
	}
}

// C15: a store that was put back to an earlier state, or that may have lost what it acknowledged, has another storage
// id as soon as its cluster says what it had claimed.
func TestC15Claim(t *testing.T) {
	fs := vfs.NewMem()
	s := mustOpen(t, memOptions(fs))
	first := s.Identity()
	require.NoError(t, s.SaveClaimEpoch(7))
	closeStore(t, s)

	open := func(policy FsyncPolicy, claim *Claim) Identity {
		o := memOptions(fs)
		o.Fsync, o.Claim = policy, claim
		s := mustOpen(t, o)
		defer closeStore(t, s)
		return s.Identity()
	}
	require.Equal(t, int32(7), open(FsyncBatch, nil).ClaimEpoch)
	for _, kept := range []*Claim{nil, {StorageID: first.StorageID, Epoch: 7}, {StorageID: first.StorageID, Epoch: 6},
		{StorageID: first.StorageID + 1, Epoch: 9}} {
		require.Equal(t, first.StorageID, open(FsyncBatch, kept).StorageID, "%+v", kept)
	}
	renewed := open(FsyncBatch, &Claim{StorageID: first.StorageID, Epoch: 8})
	require.NotEqual(t, first.StorageID, renewed.StorageID)
	require.Equal(t, renewed.StorageID, open(FsyncBatch, nil).StorageID)
}
