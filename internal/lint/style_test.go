package lint

import (
	"fmt"
	"go/ast"
	"slices"
	"strings"
	"unicode/utf8"
)

// checkSizes holds the limits of files, lines, functions and parameter lists.
func checkSizes(t *tree) (found []finding) {
	add := func(subject, where, format string, args ...any) {
		found = append(found, finding{"size", subject, where, fmt.Sprintf(format, args...)})
	}
	for _, f := range t.files {
		lines := strings.Split(strings.TrimSuffix(f.src, "\n"), "\n")
		if len(lines) > maxFileLines {
			add(f.path, f.path+":1", "%d lines, at most %d: a file holds one thing", len(lines), maxFileLines)
		}
		if wide := wideLines(lines); len(wide) > 0 {
			add(f.path, fmt.Sprintf("%s:%d", f.path, wide[0]), "lines of more than %d columns: %d", maxColumns, wide)
		}
		if f.test {
			continue
		}
		ast.Inspect(f.ast, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.FuncDecl:
				first, last := t.fset.Position(n.Pos()).Line, t.fset.Position(n.End()).Line
				if length := last - first + 1; length > maxFunctionLines {
					add(f.pkg()+"."+n.Name.Name, t.at(n), "function %s has %d lines, at most %d: it is to be read at one glance",
						n.Name.Name, length, maxFunctionLines)
				}
				if count := n.Type.Params.NumFields(); count > maxParameters {
					add(f.pkg()+"."+n.Name.Name, t.at(n), "function %s has %d parameters, at most %d: pass a struct",
						n.Name.Name, count, maxParameters)
				}
			case *ast.FuncLit:
				if count := n.Type.Params.NumFields(); count > maxParameters {
					add(f.pkg(), t.at(n), "a function has %d parameters, at most %d: pass a struct", count, maxParameters)
				}
			}
			return true
		})
	}
	return found
}

// wideLines returns the numbers of the lines that are too wide. A tab counts as one column.
func wideLines(lines []string) (numbers []int) {
	for i, line := range lines {
		if utf8.RuneCountInString(line) > maxColumns && !strings.HasPrefix(line, "//go:") {
			numbers = append(numbers, i+1)
		}
	}
	return numbers
}

// checkNames holds that a package's name says what it is for.
func checkNames(t *tree) (found []finding) {
	for pkg, files := range t.packages() {
		parts := append(strings.Split(pkg, "/"), files[0].ast.Name.Name)
		for _, part := range parts {
			if slices.Contains(badNames, part) {
				found = append(found, finding{
					"name", pkg, files[0].path + ":1",
					fmt.Sprintf("a package called %q: the name must say what the package is for", part),
				})
				break
			}
		}
	}
	return found
}

// checkDocs holds that each package and each exported name is documented.
func checkDocs(t *tree) (found []finding) {
	for pkg, files := range t.packages() {
		documented := slices.ContainsFunc(files, func(f *goFile) bool { return f.ast.Doc.Text() != "" })
		if !documented {
			found = append(found, finding{
				"doc", pkg, files[0].path + ":1", "no package comment: say what the package is, is not, and may import",
			})
		}
		for _, f := range files {
			for _, decl := range f.ast.Decls {
				for name, at := range undocumented(decl) {
					found = append(found, finding{
						"doc", pkg + "." + name, t.at(at),
						fmt.Sprintf("exported %s has no comment: say what it does, units, bounds, errors", name),
					})
				}
			}
		}
	}
	return found
}

// undocumented returns the exported names of a declaration that no comment is about.
func undocumented(decl ast.Decl) map[string]ast.Node {
	names := make(map[string]ast.Node)
	switch d := decl.(type) {
	case *ast.FuncDecl:
		receiver := receiverName(d)
		if d.Name.IsExported() && d.Doc.Text() == "" && (d.Recv == nil || ast.IsExported(receiver)) {
			names[strings.TrimPrefix(receiver+"."+d.Name.Name, ".")] = d
		}
	case *ast.GenDecl:
		for _, spec := range d.Specs {
			switch s := spec.(type) {
			case *ast.TypeSpec:
				if s.Name.IsExported() && d.Doc.Text()+s.Doc.Text() == "" {
					names[s.Name.Name] = s
				}
			case *ast.ValueSpec:
				if d.Doc.Text()+s.Doc.Text()+s.Comment.Text() != "" {
					continue
				}
				for _, n := range s.Names {
					if n.IsExported() {
						names[n.Name] = n
					}
				}
			}
		}
	}
	return names
}

// receiverName is the name of a method's type; "" for a function.
func receiverName(d *ast.FuncDecl) string {
	if d.Recv == nil {
		return ""
	}
	name := ""
	ast.Inspect(d.Recv.List[0].Type, func(n ast.Node) bool {
		if id, ok := n.(*ast.Ident); ok && name == "" {
			name = id.Name
		}
		return name == ""
	})
	return name
}
