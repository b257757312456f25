package main

import (
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/skidway/skidway/cmd/skidway/internal/config"
	"github.com/skidway/skidway/kv"
)

// readable tells whether a person reads standard error: then there is a banner, and no log line for what went well.
func (a *app) readable(c *config.Config) bool { return c.LogFormat == "auto" && isTerminal(a.errOut) }

// newLogger makes the logger of the broker: slog's text or json; for a person, only what needs attention.
func newLogger(a *app, c *config.Config) *slog.Logger {
	level := slog.LevelInfo
	if err := level.UnmarshalText([]byte(c.LogLevel)); err != nil {
		panic("config accepted a log level that slog does not know: " + c.LogLevel)
	}
	if a.readable(c) && c.Value("log_level").Layer == config.Default {
		level = slog.LevelWarn
	}
	options := &slog.HandlerOptions{Level: level}
	if c.LogFormat == "json" {
		return slog.New(slog.NewJSONHandler(a.errOut, options))
	}
	return slog.New(slog.NewTextHandler(a.errOut, options))
}

// banner is what a person sees when the broker is ready.
func (a *app) banner(n announcement) string {
	var b strings.Builder
	mode := "standalone"
	if n.dev {
		mode = "standalone, development mode"
	}
	fmt.Fprintf(&b, "%s  %s\n\n", versionText(), mode)
	listen := n.broker.Addr().String()
	fmt.Fprintf(&b, "  clients   tcp://%-22s skidway produce / consume, Go client\n", listen)
	if k := n.broker.KafkaAddr(); k != nil {
		fmt.Fprintf(&b, "  kafka     tcp://%-22s any Kafka client\n", k)
	}
	if h := n.broker.HTTPAddr(); h != nil {
		fmt.Fprintf(&b, "  http      http://%-21s metrics: /metrics   health: /readyz\n", h)
	}
	fmt.Fprintf(&b, "  data      %s\n", config.Abbreviate(n.config.DataDir, a.env))
	topics := "created with  skidway topic create"
	if n.config.AutoCreateTopics {
		topics = fmt.Sprintf("created on first use, %s", plural(int64(n.config.Partitions), "partition"))
	}
	fmt.Fprintf(&b, "  fsync     %-26s topics: %s\n\n", fsyncWords(n.config), topics)
	if n.dev {
		server := ""
		if listen != defaultServer {
			server = "-s " + listen + " "
		}
		fmt.Fprintf(&b,
			"  try     echo hello | skidway produce %[1]sdemo\n          skidway consume %[1]sdemo --from start\n\n", server)
	}
	fmt.Fprintf(&b, "ready in %dms   (Ctrl-C stops cleanly", n.took.Milliseconds())
	if n.dev {
		b.WriteString("; nothing here is meant for production")
	}
	b.WriteString(")\n")
	return b.String()
}

func fsyncWords(c *config.Config) string {
	switch c.Fsync {
	case kv.FsyncBatch:
		return "on every batch"
	case kv.FsyncInterval:
		return fmt.Sprintf("every %v", c.FsyncInterval.Round(time.Millisecond))
	default:
		return "left to the system"
	}
}

// plural counts things: "1 record", "3 records".
func plural(n int64, thing string) string {
	if n == 1 {
		return "1 " + thing
	}
	return fmt.Sprintf("%d %ss", n, thing)
}
