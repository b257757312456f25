//go:build failpoints

package failpoint

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// Hit does what the point is armed for: nothing, Kill or Hold. It panics where it cannot: a test that believed that a
// fault happened would be worse.
func Hit(p Point) {
	dir := os.Getenv(Variable)
	if dir == "" {
		return
	}
	path := filepath.Join(dir, string(p))
	text, err := os.ReadFile(path)
	if os.IsNotExist(err) {
		return
	}
	if err == nil {
		err = note(path + fired)
	}
	if err != nil {
		panic(fmt.Sprintf("failpoint %s: %v", p, err))
	}
	switch action := Action(strings.TrimSpace(string(text))); action {
	case Kill:
		kill()
	case Hold:
		for there(path) {
			time.Sleep(time.Millisecond)
		}
	default:
		panic(fmt.Sprintf("failpoint %s: %q is none of kill and hold", p, action))
	}
}

// note appends a byte: one for each time.
func note(path string) error {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return err
	}
	if _, err := f.Write([]byte{'+'}); err != nil {
		return err
	}
	return f.Close()
}

// kill ends the process with no time for a last word.
func kill() {
	p, err := os.FindProcess(os.Getpid())
	if err == nil {
		err = p.Kill()
	}
	if err != nil {
		panic(fmt.Sprintf("failpoint: kill: %v", err))
	}
	select {}
}

func there(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}
