// Package lint holds the rules of this repository that a machine can check, as tests:
// who may import whom, where clocks, files and goroutines may appear, what must be
// documented, and how large things may get. Each failure prints the rule's reason.
//
// There is nothing here but tests. rules_test.go holds the tables: the rows of the
// architecture, the packages with special rights, the limits, the exceptions. Each
// rule is itself tested on small bad sources, so that it can fail.
//
// The package imports nothing of this module, and nothing may import it.
package lint
