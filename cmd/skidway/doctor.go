package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"

	"github.com/skidway/skidway/client"
	"github.com/skidway/skidway/cmd/skidway/internal/failure"
	"github.com/skidway/skidway/cmd/skidway/internal/table"
	"github.com/skidway/skidway/units"
)

func (a *app) doctorCommand() *cobra.Command {
	var roundTrip bool
	cmd := &cobra.Command{
		Use:   "doctor",
		Short: "Find out why clients cannot reach or use a broker",
		Example: `  skidway doctor
  skidway doctor -s broker1:7440 --round-trip`,
		Long: "Check, one after another, what a client of the broker depends on, and say what to do about what is wrong.\n" +
			"Nothing is written unless --round-trip asks for it: that creates a topic skidway-doctor-..., writes a record,\n" +
			"reads it back, compares the clocks and deletes the topic. Exit 1 if a check fails, 3 if no broker answers.",
		Args: exactly(0, ""),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.doctor(cmd.Context(), roundTrip)
		},
	}
	cmd.Flags().BoolVar(&roundTrip, "round-trip", false,
		"also write a record to a new topic, read it back, and compare the clocks")
	a.formatFlag(cmd, "text", "json")
	return cmd
}

// grade is what a check comes to.
type grade int8

const (
	fine grade = iota
	warning
	failing
)

// String is the word that stands at the front of a line.
func (g grade) String() string { return [...]string{"ok", "warn", "fail"}[g] }

// finding is the result of one check, and what to do about it.
type finding struct {
	grade            grade
	check, text, fix string
}

// examination is a doctor under way.
type examination struct {
	app      *app
	findings []finding
	exit     int
}

func (e *examination) note(g grade, check, fix, format string, args ...any) {
	e.findings = append(e.findings, finding{grade: g, check: check, fix: fix, text: fmt.Sprintf(format, args...)})
	if g == failing && e.exit == failure.ExitOK {
		e.exit = failure.ExitRefused
	}
}

func (a *app) doctor(ctx context.Context, roundTrip bool) error {
	s, err := a.servers()
	if err != nil {
		return err
	}
	ctx, cancel := a.bounded(ctx)
	defer cancel()
	e := &examination{app: a}
	e.fileLimit()
	if e.addresses(ctx, s) {
		e.broker(ctx, roundTrip)
	} else {
		e.exit = failure.ExitUnreachable
	}
	if interrupted(ctx) {
		return errInterrupted
	}
	if err := a.write(e.print); err != nil {
		return err
	}
	if e.exit != failure.ExitOK {
		return failure.Reported{Exit: e.exit}
	}
	return nil
}

func (e *examination) print(w io.Writer) error {
	for _, f := range e.findings {
		if e.app.format == "json" {
			o := table.Object{{Name: "result", Value: f.grade.String()}, {Name: "check", Value: f.check},
				{Name: "detail", Value: f.text}, {Name: "fix", Value: f.fix}}
			if err := failure.EncodeLine(w, o); err != nil {
				return err
			}
			continue
		}
		if _, err := fmt.Fprintf(w, "%-4s  %-10s  %s\n", f.grade, f.check, f.text); err != nil {
			return err
		}
		if f.fix == "" || f.grade == fine {
			continue
		}
		if _, err := fmt.Fprintf(w, "                  do: %s\n", f.fix); err != nil {
			return err
		}
	}
	return nil
}

// fileLimit looks at the limit that a broker started from here would have.
func (e *examination) fileLimit() {
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
		e.note(warning, "files", "", "the limit of open files cannot be read: %v", err)
		return
	}
	if limit.Max < 4096 {
		e.note(warning, "files", "raise it: ulimit -n, or LimitNOFILE= in the service",
			"a broker started here may open %d files; each client and each table takes one", limit.Max)
		return
	}
	e.note(fine, "files", "", "a broker started here may open %d files", limit.Max)
}

// addresses dials every address that was given, and tells whether one answers.
func (e *examination) addresses(ctx context.Context, s servers) bool {
	any := false
	for _, addr := range s.addresses {
		began := time.Now()
		if err := dial(ctx, addr); err != nil {
			e.note(failing, "address", "is a broker running there, and is a firewall between?  address from: "+s.from, "%s: %v",
				addr, err)
			continue
		}
		any = true
		e.note(fine, "address", "", "%s answers after %v (from %s)", addr, time.Since(began).Round(10*time.Microsecond),
			s.from)
	}
	return any
}

// dial opens a connection and closes it.
func dial(ctx context.Context, addr string) error {
	d := net.Dialer{Timeout: dialTimeout}
	c, err := d.DialContext(ctx, "tcp", addr)
	if err != nil {
		return innermost(err)
	}
	return c.Close()
}

// broker examines the broker that answers.
func (e *examination) broker(ctx context.Context, roundTrip bool) {
	c, err := e.app.connect(ctx, client.Hooks{})
	if err != nil {
		e.exit = failure.ExitUnreachable
		e.note(failing, "protocol", "is it a Skidway broker that listens there?", "%v", err)
		return
	}
	defer e.app.close(c)
	hello := c.Hello()
	e.note(fine, "protocol", "", "broker %d of cluster %s", hello.BrokerID, hello.ClusterID)
	if mine := readBuild().version; hello.BrokerVersion != mine {
		e.note(warning, "version", "use the same version on both sides if something behaves unexpectedly",
			"the broker is %s, this program %s", hello.BrokerVersion, mine)
	} else {
		e.note(fine, "version", "", "%s on both sides", mine)
	}
	admin := client.NewAdmin(c)
	e.advertised(ctx, admin)
	e.health(ctx, admin)
	if roundTrip {
		e.roundTrip(ctx, c)
	}
}

// advertised dials the addresses that the cluster tells clients to dial.
func (e *examination) advertised(ctx context.Context, admin *client.Admin) {
	cluster, err := admin.DescribeCluster(ctx)
	if err != nil {
		e.note(failing, "cluster", "see the broker's log", "%v", err)
		return
	}
	for _, b := range cluster.Brokers {
		if !b.Present {
			e.note(warning, "advertised", "start it, or  skidway broker decommission "+fmt.Sprint(b.ID),
				"broker %d is away, and holds %s", b.ID, plural(int64(b.Replicas), "replica"))
			continue
		}
		if err := dial(ctx, b.Address); err != nil {
			e.note(failing, "advertised", "set  advertise = \"HOST:PORT\"  on it to an address that clients can dial",
				"broker %d tells clients to dial %s: %v", b.ID, b.Address, err)
			continue
		}
		e.note(fine, "advertised", "", "broker %d tells clients to dial %s, which answers from here", b.ID, b.Address)
	}
}

// health looks at what the broker says of itself and of its disk.
func (e *examination) health(ctx context.Context, admin *client.Admin) {
	s, err := admin.DescribeBroker(ctx)
	if err != nil {
		e.note(failing, "broker", "see the broker's log", "%v", err)
		return
	}
	for _, c := range s.Checks {
		if c.OK {
			e.note(fine, "broker", "", "%s", strings.TrimSpace(c.Name+" "+c.Detail))
		} else {
			e.note(failing, "broker", "see the broker's log", "%s: %s", c.Name, c.Detail)
		}
	}
	free := float64(s.DiskFree) / float64(max(s.DiskTotal, 1))
	text := fmt.Sprintf("%s of %s free (%.0f%%), %s used by records", units.FormatBytes(s.DiskFree),
		units.FormatBytes(s.DiskTotal),
		free*100, units.FormatBytes(s.LogBytes))
	switch {
	case s.DiskTotal == 0:
		e.note(warning, "disk", "", "the broker does not know its disk")
	case free < 0.10:
		e.note(warning, "disk", "free space, or shorten retention: below 5% the broker takes no records", "%s", text)
	default:
		e.note(fine, "disk", "", "%s", text)
	}
	if i := slices.Index([]string{"interval", "os"}, s.Fsync); i >= 0 {
		e.note(warning, "fsync", "set  fsync = \"batch\"  in [log]",
			"%s: a power loss can take records that were acknowledged", s.Fsync)
	} else {
		e.note(fine, "fsync", "", "%s: a record is on disk before it is acknowledged", s.Fsync)
	}
}
