package lint

import (
	"fmt"
	"go/ast"
	"os/exec"
	"path"
	"slices"
	"strings"
	"testing"
)

// checkRows holds the rows: a package imports only from strictly lower ones.
func checkRows(t *tree) (found []finding) {
	reported := make(map[string]bool)
	for _, f := range t.files {
		if f.test {
			continue
		}
		row, known := rows[f.pkg()]
		if !known {
			if !reported[f.pkg()] {
				reported[f.pkg()] = true
				found = append(found, finding{
					"row", f.pkg(), f.path + ":1",
					"the package has no row: each package is entered in the architecture's table, with what it is for",
				})
			}
			continue
		}
		for _, spec := range f.ast.Imports {
			target, own := strings.CutPrefix(strings.Trim(spec.Path.Value, `"`), module+"/")
			if !own {
				continue
			}
			targetRow, known := rows[target]
			what := ""
			switch {
			case !known: // reported where it is
			case targetRow >= row:
				what = fmt.Sprintf("%s (row %d) imports %s (row %d): a package imports only from strictly lower rows",
					f.pkg(), row, target, targetRow)
			case slices.Contains(banned[target], f.pkg()):
				what = fmt.Sprintf("%s imports %s: wire, client, group and retention know nothing of the store", f.pkg(), target)
			}
			if what != "" {
				found = append(found, finding{"import", f.pkg() + " -> " + target, t.at(spec), what})
			}
		}
	}
	return found
}

// checkEdges holds who may import Pebble and ZooKeeper's client.
func checkEdges(t *tree) (found []finding) {
	for _, f := range t.files {
		for _, spec := range f.ast.Imports {
			target := strings.Trim(spec.Path.Value, `"`)
			for _, e := range edges {
				if !below(target, e.path) || slices.Contains(e.only, f.pkg()) {
					continue
				}
				if f.test && slices.Contains(e.inTests, f.pkg()) && mayInTests(e, target) {
					continue
				}
				found = append(found, finding{
					"import", f.pkg() + " -> " + target, t.at(spec),
					fmt.Sprintf("%s imports %s, which only %s may: %s", f.pkg(), target, strings.Join(e.only, ", "), e.reason),
				})
			}
		}
	}
	return found
}

// mayInTests keeps tests of other packages to the parts of Pebble that fake a disk.
func mayInTests(e edge, target string) bool {
	return e.path != "github.com/cockroachdb/pebble/v2" || slices.Contains(pebbleInTests, target)
}

// checkLoggers holds that below the broker nothing is logged or measured globally.
func checkLoggers(t *tree) (found []finding) {
	for _, f := range t.files {
		row, known := rows[f.pkg()]
		if f.test || known && row >= metricsRow {
			continue
		}
		for _, spec := range f.ast.Imports {
			if target := strings.Trim(spec.Path.Value, `"`); anyBelow(target, metricsLibraries) {
				found = append(found, finding{
					"metrics", f.pkg() + " -> " + target, t.at(spec),
					fmt.Sprintf("%s imports %s: below row %d no metrics library; metrics are a struct that is returned",
						f.pkg(), target, metricsRow),
				})
			}
		}
		for importPath, names := range globalLoggers {
			f.uses(importPath, func(name string, at ast.Node) {
				if slices.Contains(names, name) {
					found = append(found, finding{
						"logger", f.pkg() + "." + path.Base(importPath) + "." + name, t.at(at),
						fmt.Sprintf("%s.%s: below row %d no global logger; a *slog.Logger is passed in",
							path.Base(importPath), name, metricsRow),
					})
				}
			})
		}
	}
	return found
}

const effectReason = "clock, goroutines, randomness, network and files appear only in " +
	"the packages at the edge; the rest gets the time, and returns what is to be done"

// checkEffects holds where the outside world may be touched.
func checkEffects(t *tree) (found []finding) {
	for _, f := range t.files {
		if f.test || anyBelow(f.path, outside) {
			continue
		}
		add := func(subject, where string) {
			found = append(found, finding{"effect", f.pkg() + " " + subject, where, subject + ": " + effectReason})
		}
		for _, spec := range f.ast.Imports {
			if target := strings.Trim(spec.Path.Value, `"`); anyBelow(target, effectImports) {
				add("import "+target, t.at(spec))
			}
		}
		for importPath, names := range effectNames {
			f.uses(importPath, func(name string, at ast.Node) {
				if slices.Contains(names, name) {
					add(importPath+"."+name, t.at(at))
				}
			})
		}
		ast.Inspect(f.ast, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.GoStmt:
				add("go statement", t.at(n))
			case *ast.CallExpr:
				if sel, ok := n.Fun.(*ast.SelectorExpr); ok && sel.Sel.Name == "Go" && len(n.Args) == 1 {
					add("Go of a group", t.at(n))
				}
			}
			return true
		})
	}
	return found
}

// TestNeverLinked asks the go command what programs that use a package get linked in.
func TestNeverLinked(t *testing.T) {
	root := repositoryRoot(t)
	packages := repository(t).packages()
	for pkg, unwanted := range neverLinked {
		if len(packages[pkg]) == 0 {
			continue
		}
		cmd := exec.Command("go", "list", "-deps", "./"+pkg)
		cmd.Dir = root
		out, err := cmd.Output()
		if err != nil {
			t.Errorf("go list -deps ./%s: %v", pkg, err)
			continue
		}
		deps := strings.Fields(string(out))
		if !slices.Contains(deps, module+"/"+pkg) {
			t.Errorf("go list -deps ./%s does not list the package itself", pkg)
		}
		for _, dep := range deps {
			if anyBelow(dep, unwanted) {
				t.Errorf("%s links %s: a program that speaks to a broker carries no store", pkg, dep)
			}
		}
	}
}
