package devcluster

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/skidway/skidway/cmd/skidway/internal/failure"
)

// markerName is the file by which a directory of this package is told from any other. It is locked while the cluster
// runs, and holds the id of the process that runs it.
const markerName = "dev-cluster"

// directory is all that a cluster keeps, locked.
type directory struct {
	path string
	lock *os.File
}

// openDirectory makes the directory, or takes the one that is there, and locks it; fresh empties it first.
func openDirectory(path string, fresh bool) (*directory, error) {
	path, err := filepath.Abs(path)
	if err != nil {
		return nil, badDir(err)
	}
	if err := os.MkdirAll(path, 0o700); err != nil {
		return nil, badDir(err)
	}
	entries, err := os.ReadDir(path)
	if err != nil {
		return nil, badDir(err)
	}
	marker := filepath.Join(path, markerName)
	if _, err := os.Stat(marker); err != nil && len(entries) > 0 {
		return nil, failure.BadValue("--dir", "%s is not empty, and no cluster of this command: it has no file %s", path,
			markerName).WithHint("choose another directory with  --dir DIR")
	}
	lock, err := os.OpenFile(marker, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, badDir(err)
	}
	d := &directory{path: path, lock: lock}
	if err := d.take(); err != nil {
		return nil, errors.Join(err, lock.Close())
	}
	if fresh {
		for _, e := range entries {
			if e.Name() != markerName {
				err = errors.Join(err, os.RemoveAll(filepath.Join(path, e.Name())))
			}
		}
	}
	if err != nil {
		return nil, errors.Join(badDir(err), d.close())
	}
	return d, nil
}

// take locks the directory for this process, whose end, however it comes, gives the lock back.
func (d *directory) take() error {
	if err := unix.Flock(int(d.lock.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		if !errors.Is(err, unix.EWOULDBLOCK) {
			return badDir(fmt.Errorf("lock %s: %w", d.lock.Name(), err))
		}
		holder, _ := os.ReadFile(d.lock.Name())
		f := failure.Usage("a cluster runs in %s already: process %s", d.path, strings.TrimSpace(string(holder)))
		f.Code = failure.CodeLocked
		return f.WithHint("stop it with  kill %s    or run another one with  --dir DIR --port PORT",
			strings.TrimSpace(string(holder)))
	}
	err := d.lock.Truncate(0)
	if err == nil {
		_, err = d.lock.WriteAt(fmt.Appendln(nil, os.Getpid()), 0)
	}
	if err != nil {
		return badDir(err)
	}
	return nil
}

func (d *directory) close() error { return d.lock.Close() }

func (d *directory) join(name string) string { return filepath.Join(d.path, name) }

// secret returns the file with what the brokers know each other by, which only the user can read.
func (d *directory) secret() (string, error) {
	_, err := d.remember("secret", hex.EncodeToString(random(32)))
	return d.join("secret"), err
}

// remember returns what the file of that name holds, which is text where there was none.
func (d *directory) remember(name, text string) (string, error) {
	path := d.join(name)
	stored, err := os.ReadFile(path)
	if errors.Is(err, os.ErrNotExist) {
		stored, err = []byte(text), os.WriteFile(path+".new", []byte(text+"\n"), 0o600)
		if err == nil {
			err = os.Rename(path+".new", path)
		}
	}
	if err != nil {
		return "", badDir(err)
	}
	return strings.TrimSpace(string(stored)), nil
}

func random(n int) []byte {
	b := make([]byte, n)
	rand.Read(b) // never fails
	return b
}

func badDir(err error) error { return failure.BadValue("--dir", "%v", err) }
