package main

import (
	"fmt"
	"io"
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"

	"github.com/skidway/skidway/cmd/skidway/internal/failure"
	"github.com/skidway/skidway/cmd/skidway/internal/table"
)

// build is what the program knows of its own making.
type build struct {
	version, commit, golang, platform string
}

func readBuild() build {
	b := build{version: version, commit: "unknown", golang: runtime.Version(), platform: runtime.GOOS + "/" +
		runtime.GOARCH}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return b.withDefault("unknown")
	}
	modified := ""
	for _, s := range info.Settings {
		switch {
		case s.Key == "vcs.revision":
			b.commit = s.Value
		case s.Key == "vcs.modified" && s.Value == "true":
			modified = "+changes"
		}
	}
	b.commit += modified
	return b.withDefault(info.Main.Version)
}

// withDefault fills in the version of a build without -ldflags: that of the module, as go install knows it.
func (b build) withDefault(v string) build {
	if b.version != "" {
		return b
	}
	b.version = v
	if v == "" || v == "(devel)" {
		b.version = "dev"
	}
	return b
}

func versionText() string {
	b := readBuild()
	return fmt.Sprintf("skidway %s (%s %s)", b.version, b.golang, b.platform)
}

func (a *app) versionCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:     "version",
		Short:   "Print what this program is",
		Example: "  skidway version\n  skidway version --format json",
		Args:    exactly(0, ""),
		RunE: func(*cobra.Command, []string) error {
			b := readBuild()
			return a.write(func(w io.Writer) error {
				if a.format == "json" {
					return failure.EncodeLine(w, table.Object{{Name: "version", Value: b.version}, {Name: "commit", Value: b.commit},
						{Name: "go", Value: b.golang}, {Name: "platform", Value: b.platform}})
				}
				_, err := fmt.Fprintf(w, "%s commit %s\n", versionText(), b.commit)
				return err
			})
		},
	}
	a.formatFlag(cmd, "text", "json")
	return cmd
}
