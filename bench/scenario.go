package bench

import (
	"bytes"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"strings"

	"github.com/pelletier/go-toml/v2"
)

//go:embed scenarios/*.toml
var scenarios embed.FS

// ParseScenario reads a load from TOML: the keys are those of Load. An unknown key or a bad value is an error that
// names its line.
func ParseScenario(name string, text []byte) (Load, error) {
	var l Load
	d := toml.NewDecoder(bytes.NewReader(text)).DisallowUnknownFields()
	if err := d.Decode(&l); err != nil {
		return Load{}, scenarioError(name, err)
	}
	fill(&l.Name, strings.TrimSuffix(name, ".toml"))
	if _, err := l.Complete(); err != nil {
		return Load{}, fmt.Errorf("%s: %w", name, err)
	}
	return l, nil
}

// scenarioError says where in the file an error is.
func scenarioError(name string, err error) error {
	var unknown *toml.StrictMissingError
	if errors.As(err, &unknown) {
		var faults []error
		for i := range unknown.Errors {
			e := &unknown.Errors[i]
			row, _ := e.Position()
			faults = append(faults, fmt.Errorf("%s:%d: no setting %q", name, row, strings.Join(e.Key(), ".")))
		}
		return errors.Join(faults...)
	}
	var bad *toml.DecodeError
	if errors.As(err, &bad) {
		row, _ := bad.Position()
		return fmt.Errorf("%s:%d: %s", name, row, strings.TrimPrefix(bad.Error(), "toml: "))
	}
	return fmt.Errorf("%s: %w", name, err)
}

// Scenario returns one of the loads that come with the program.
func Scenario(name string) (Load, error) {
	file := strings.TrimSuffix(name, ".toml") + ".toml"
	text, err := scenarios.ReadFile("scenarios/" + file)
	if errors.Is(err, fs.ErrNotExist) {
		return Load{}, fmt.Errorf("no scenario %q; there are %s", name, strings.Join(Scenarios(), ", "))
	}
	if err != nil {
		return Load{}, fmt.Errorf("scenario %q: %w", name, err)
	}
	return ParseScenario(file, text)
}

// Scenarios names the loads that come with the program.
func Scenarios() (names []string) {
	entries, err := scenarios.ReadDir("scenarios")
	if err != nil {
		panic("bench: the embedded scenarios cannot be listed: " + err.Error())
	}
	for _, e := range entries {
		names = append(names, strings.TrimSuffix(e.Name(), ".toml"))
	}
	return names
}
