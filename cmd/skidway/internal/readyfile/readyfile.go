// Package readyfile writes what --ready-file asks for.
package readyfile

import (
	"encoding/json"
	"os"
	"path/filepath"

	"github.com/skidway/skidway/cmd/skidway/internal/failure"
)

// Write makes a file appear whole that holds v in JSON: whoever waits for it never reads half of it. Without a path it
// does nothing. The error is a *failure.Failure that names the flag.
func Write(path string, v any) error {
	if path == "" {
		return nil
	}
	text, err := json.Marshal(v)
	temporary := filepath.Join(filepath.Dir(path), "."+filepath.Base(path)+".new")
	if err == nil {
		err = os.WriteFile(temporary, append(text, '\n'), 0o644)
	}
	if err == nil {
		err = os.Rename(temporary, path)
	}
	if err != nil {
		return failure.BadValue("--ready-file", "%v", err)
	}
	return nil
}
