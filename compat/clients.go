package main

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
)

// client is a column of the table: a program in clients/NAME, or in clients/FAMILY with the manifest FAMILY/VARIANT.
type client struct {
	name  string
	title string // on the page
	dir   string // below compat/clients
	// install puts what the program needs into dest. It is called again when a file of the client has changed.
	install func(w workshop) error
	// command starts the program.
	command func(w workshop) []string
	cases   []testCase
}

// workshop is where a client is installed and run.
type workshop struct {
	root string // of the repository
	src  string // the client's directory
	dest string // what is installed
}

// clients are all clients.
func clients() []client {
	all := []client{
		{name: "franz-go", title: "franz-go (Go)", install: buildGo, command: runGo},
		{name: "kafka-go", title: "kafka-go (Go)", install: buildGo, command: runGo},
		{name: "sarama", title: "sarama (Go)", install: buildGo, command: runGo},
		{name: "kcat", title: "kcat (librdkafka, Debian)", install: needs("kcat"), command: runShell},
		{name: "java-3.9", title: "Java client 3.9", dir: "java", install: buildJava("3.9"), command: runJava},
		{name: "java-4", title: "Java client 4", dir: "java", install: buildJava("4"), command: runJava},
		{name: "confluent-kafka", title: "confluent-kafka (Python)", install: installPython, command: runPython},
		{name: "kafka-python", title: "kafka-python (Python)", install: installPython, command: runPython},
		{name: "kafkajs", title: "kafkajs (JavaScript)", install: installNode, command: runNode},
		{name: "tools-3.9", title: "Kafka's commands 3.9", dir: "tools", install: jars("3.9"), command: runShell},
		{name: "tools-4", title: "Kafka's commands 4", dir: "tools", install: jars("4"), command: runShell},
	}
	for i := range all {
		if all[i].dir == "" {
			all[i].dir = all[i].name
		}
		if all[i].cases = clientCases(); all[i].dir == "tools" {
			all[i].cases = toolCases()
		}
	}
	return all
}

// errMissing says that the machine lacks a program.
var errMissing = errors.New("is not installed (scripts/test-deps compat)")

// prepare installs a client unless that is done already.
func (c *client) prepare(root string) (workshop, error) {
	w := workshop{
		root: root, src: filepath.Join(root, "compat/clients", c.dir), dest: filepath.Join(root, "bin/compat", c.name),
	}
	stamp := filepath.Join(w.dest, "stamp")
	is, err := fingerprint(w.src)
	if err != nil {
		return w, err
	}
	if had, err := os.ReadFile(stamp); err == nil && string(had) == is {
		return w, nil
	}
	if err := os.MkdirAll(w.dest, 0o755); err != nil {
		return w, err
	}
	if err := c.install(w); err != nil {
		return w, fmt.Errorf("installing %s: %w", c.name, err)
	}
	return w, os.WriteFile(stamp, []byte(is), 0o644)
}

// fingerprint changes when a file below dir does.
func fingerprint(dir string) (string, error) {
	h := sha256.New()
	err := filepath.WalkDir(dir, func(p string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		text, err := os.ReadFile(p)
		fmt.Fprintf(h, "%s %d\n%s", p, len(text), text)
		return err
	})
	return hex.EncodeToString(h.Sum(nil)), err
}

// needs installs nothing: the programs are Debian's.
func needs(programs ...string) func(workshop) error {
	return func(workshop) error {
		for _, p := range programs {
			if _, err := exec.LookPath(p); err != nil {
				return fmt.Errorf("%s %w", p, errMissing)
			}
		}
		return nil
	}
}

func buildGo(w workshop) error {
	_, err := output(w.src, "go", "build", "-o", filepath.Join(w.dest, "client"), ".")
	return err
}

func runGo(w workshop) []string { return []string{filepath.Join(w.dest, "client")} }

func runShell(w workshop) []string { return []string{"bash", filepath.Join(w.src, "client"), w.dest} }

func installPython(w workshop) error {
	if err := needs("python3")(w); err != nil {
		return err
	}
	if _, err := output(w.src, "python3", "-m", "venv", w.dest); err != nil {
		return err
	}
	_, err := output(w.src, filepath.Join(w.dest, "bin/pip"), "install", "-q", "--disable-pip-version-check",
		"-r", "requirements.txt")
	return err
}

func runPython(w workshop) []string {
	return []string{filepath.Join(w.dest, "bin/python"), "-B", filepath.Join(w.src, "client.py")}
}

func installNode(w workshop) error {
	if err := needs("node", "npm")(w); err != nil {
		return err
	}
	// Modules are looked for beside the program, so it is copied to them.
	for _, name := range []string{"package.json", "client.js"} {
		text, err := os.ReadFile(filepath.Join(w.src, name))
		if err == nil {
			err = os.WriteFile(filepath.Join(w.dest, name), text, 0o644)
		}
		if err != nil {
			return err
		}
	}
	_, err := output(w.dest, "npm", "install", "--no-package-lock", "--ignore-scripts", "--no-audit", "--no-fund",
		"--silent")
	return err
}

func runNode(w workshop) []string { return []string{"node", filepath.Join(w.dest, "client.js")} }

// buildJava fetches the client that a variant's manifest names, and compiles the program with it.
func buildJava(variant string) func(workshop) error {
	return func(w workshop) error {
		if err := needs("javac")(w); err != nil {
			return err
		}
		if err := jars(variant)(w); err != nil {
			return err
		}
		sources, err := filepath.Glob(filepath.Join(w.src, "*.java"))
		if err != nil {
			return err
		}
		args := []string{"-Xlint:-removal", "-nowarn", "-cp", w.dest + "/libs/*", "-d",
			filepath.Join(w.dest, "classes")}
		args = append(args, sources...)
		_, err = output(w.src, "javac", args...)
		return err
	}
}

func runJava(w workshop) []string {
	log := "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn"
	return []string{"java", log, "-XX:TieredStopAtLevel=1", "-cp", w.dest + "/classes:" + w.dest + "/libs/*", "Client"}
}

// jars fetches what a variant's manifest names.
func jars(variant string) func(workshop) error {
	return func(w workshop) error {
		dest, err := filepath.Rel(w.root, filepath.Join(w.dest, "libs"))
		if err != nil {
			return err
		}
		if err := os.RemoveAll(filepath.Join(w.root, dest)); err != nil {
			return err
		}
		return fetchJars(w.root, filepath.Join(w.src, variant, "pom.xml"), dest)
	}
}

// fetchJars lets Maven copy what a manifest names to dest, unless dest is there.
func fetchJars(root, manifest, dest string) error {
	if _, err := os.Stat(filepath.Join(root, dest)); err == nil {
		return nil
	}
	if err := needs("java", "mvn")(workshop{}); err != nil {
		return err
	}
	// The directory appears whole: Maven killed in the middle leaves nothing that looks like jars.
	fresh := filepath.Join(root, dest+".new")
	_, err := output(root, "mvn", "-q", "-B", "-f", manifest, "dependency:copy-dependencies", "-DoutputDirectory="+fresh)
	if err != nil {
		return err
	}
	return os.Rename(fresh, filepath.Join(root, dest))
}

// choose returns the clients named, or all.
func choose(names string) ([]client, error) {
	all := clients()
	if names == "" {
		return all, nil
	}
	var chosen []client
	for name := range strings.FieldsSeq(names) {
		i := slices.IndexFunc(all, func(c client) bool { return c.name == name })
		if i < 0 {
			known := make([]string, len(all))
			for i, c := range all {
				known[i] = c.name
			}
			return nil, fmt.Errorf("there is no client %q; there are %s", name, strings.Join(known, ", "))
		}
		chosen = append(chosen, all[i])
	}
	return chosen, nil
}
