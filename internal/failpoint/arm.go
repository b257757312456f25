package failpoint

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
)

// Action is what happens at a point that is armed.
type Action string

// The actions.
const (
	Kill Action = "kill" // the process ends as by SIGKILL
	Hold Action = "hold" // whoever comes by waits until the point is disarmed
)

// fired is what the name of the file ends with that has a byte for each time that a point fired.
const fired = ".fired"

// Arm has a point of the processes with that directory fire each time that it is hit, until Disarm.
func Arm(dir string, p Point, a Action) error {
	path := filepath.Join(dir, string(p))
	err := os.WriteFile(path+".new", []byte(a), 0o600)
	if err == nil {
		err = os.Rename(path+".new", path) // whoever reads it reads all of it
	}
	if err != nil {
		return fmt.Errorf("failpoint: %w", err)
	}
	return nil
}

// Disarm ends Arm, and lets go who is held.
func Disarm(dir string, p Point) error {
	if err := os.Remove(filepath.Join(dir, string(p))); err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("failpoint: %w", err)
	}
	return nil
}

// Fired tells how often a point has fired in the processes with that directory.
func Fired(dir string, p Point) (int, error) {
	info, err := os.Stat(filepath.Join(dir, string(p)) + fired)
	switch {
	case errors.Is(err, os.ErrNotExist):
		return 0, nil
	case err != nil:
		return 0, fmt.Errorf("failpoint: %w", err)
	}
	return int(info.Size()), nil
}
