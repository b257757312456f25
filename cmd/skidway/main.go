// Command skidway is the broker and everything one does with it from a shell: serve, produce, consume, topic, offsets,
// config, status, doctor.
//
// It holds flags, settings, signals and printing, and no logic of the log: what it does, a program can do with package
// client. Data goes to standard output, everything else to standard error; the exit codes are those of package
// failure. One file holds one command. It may import everything.
package main

import (
	"os"

	"github.com/skidway/skidway/cmd/skidway/internal/failure"
)

// version is set by the build: -ldflags "-X main.version=0.1.0".
var version string

func main() { os.Exit(run()) }

// run is the program; it returns the exit code.
func run() int {
	a := newApp()
	root := a.rootCommand()
	root.SetArgs(a.args)
	ctx, stop := interruptible()
	defer stop()
	err := root.ExecuteContext(ctx)
	err = a.explain(err)
	failure.Print(a.errOut, err, a.errorStyle())
	return failure.ExitCode(err)
}
