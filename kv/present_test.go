package kv

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// C13: the disk is wiped under the running store, whose open files take writes and fsyncs as before. The store notices,
// and acknowledges nothing from then on.
func TestC13WipedWhileOpen(t *testing.T) {
	for name, wipe := range map[string]func(t *testing.T, dir string){
		"emptied": func(t *testing.T, dir string) {
			names, err := filepath.Glob(filepath.Join(dir, "*"))
			require.NoError(t, err)
			for _, n := range names {
				require.NoError(t, os.Remove(n))
			}
		},
		"removed": func(t *testing.T, dir string) { require.NoError(t, os.RemoveAll(dir)) },
		"elsewhere": func(t *testing.T, dir string) {
			require.NoError(t, os.Rename(dir, dir+".moved"))
			require.NoError(t, os.Mkdir(dir, 0o700))
		},
	} {
		t.Run(name, func(t *testing.T) {
			o := diskOptions(filepath.Join(t.TempDir(), "store"))
			o.testing.pollEvery = 5 * time.Millisecond
			trap := newFatalTrap()
			o.Events.Fatal = trap.fatal
			s := mustOpen(t, o)
			wipe(t, o.Dir)
			<-trap.done
			require.ErrorIs(t, trap.err, ErrFatal)
			require.ErrorContains(t, trap.err, "data directory "+o.Dir)
			require.ErrorContains(t, trap.err, "removed, or their disk unmounted")
			requireDead(t, s, trap.err)
		})
	}
}
