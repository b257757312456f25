package main

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// options are the flags.
type options struct {
	clients, cases string
	kafka          bool
	install        bool
	pageOnly       bool
	page           string
}

func main() {
	var o options
	flag.StringVar(&o.clients, "clients", "", "names of clients, with spaces; all without")
	flag.StringVar(&o.cases, "cases", "", "names of cases, with spaces; all without")
	flag.BoolVar(&o.kafka, "kafka", false, "run against Apache Kafka, which proves the cases")
	flag.BoolVar(&o.install, "install", false, "only install the clients")
	flag.BoolVar(&o.pageOnly, "page-only", false, "run nothing: write the page from the results that are there")
	flag.StringVar(&o.page, "page", "docs/compatibility.md", "where the table goes; empty: nowhere")
	flag.Parse()
	if err := run(o); err != nil {
		fmt.Fprintln(os.Stderr, "compat:", err)
		os.Exit(1)
	}
}

func run(o options) error {
	root, err := os.Getwd()
	if err != nil {
		return err
	}
	if _, err := os.Stat(filepath.Join(root, "compat/clients")); err != nil {
		return fmt.Errorf("to be run at the top of the repository: %w", err)
	}
	chosen, err := choose(o.clients)
	if err != nil {
		return err
	}
	if o.pageOnly {
		chosen = nil
	}
	for i := range chosen {
		if _, err := chosen[i].prepare(root); err != nil {
			return err
		}
	}
	if o.install {
		return nil
	}
	for i := range chosen {
		if err := runClient(root, &chosen[i], o); err != nil {
			return err
		}
	}
	if o.page == "" {
		return nil
	}
	all, err := readResults(root)
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(root, o.page), []byte(page(all)), 0o644)
}

// runClient runs a client's cases against a broker of their own, and keeps what became of them.
func runClient(root string, c *client, o options) error {
	w, err := c.prepare(root)
	if err != nil {
		return err
	}
	version, err := versionOf(c, w)
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "compat-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	start := startSkidway
	if o.kafka {
		start = startKafka
	}
	t, err := start(root, filepath.Join(dir, "broker"))
	if err != nil {
		log, _ := os.ReadFile(filepath.Join(dir, "broker/log"))
		return fmt.Errorf("%w\n%s", err, log)
	}
	defer t.stop()
	for _, k := range c.cases {
		if o.cases != "" && !slices.Contains(strings.Fields(o.cases), k.name) {
			continue
		}
		got := runCase(t, c, w, k)
		fmt.Printf("%-12s  %-16s  %-22s  %-6s  %s\n", t.name, c.name, k.name, got.State, got.Why)
		// Kept at once: a run that is cut short leaves what it has, and another may run beside it.
		all, err := readResults(root)
		if err != nil {
			return err
		}
		all.add(t, c.name, version, map[string]outcome{k.name: got})
		if err := all.write(root); err != nil {
			return err
		}
	}
	return nil
}
