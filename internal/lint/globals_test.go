package lint

import (
	"fmt"
	"go/ast"
	"go/token"
	"slices"
	"strings"
)

// checkGlobals holds that a package has no state and does nothing on being imported.
func checkGlobals(t *tree) (found []finding) {
	for pkg, files := range t.packages() {
		assigned := assignedGlobals(files)
		for _, f := range files {
			for _, decl := range f.ast.Decls {
				if fn, ok := decl.(*ast.FuncDecl); ok && fn.Recv == nil && fn.Name.Name == "init" {
					found = append(found, finding{"init", pkg, t.at(fn), "func init: importing a package does nothing"})
				}
				d, ok := decl.(*ast.GenDecl)
				if !ok || d.Tok != token.VAR {
					continue
				}
				for _, spec := range d.Specs {
					for name, why := range badVariables(d, spec.(*ast.ValueSpec), assigned) {
						found = append(found, finding{
							"variable", pkg + "." + name, t.at(spec),
							fmt.Sprintf("variable %s %s: a package's variables are errors, tables that never change, "+
								"compiled patterns and embedded files", name, why),
						})
					}
				}
			}
		}
	}
	return found
}

// badVariables returns the variables of a specification that are not constant in all but name, and why.
func badVariables(d *ast.GenDecl, s *ast.ValueSpec, assigned map[string]bool) map[string]string {
	bad := make(map[string]string)
	for i, name := range s.Names {
		switch {
		case name.Name == "_", embedded(d, s):
		case assigned[name.Name]:
			bad[name.Name] = "is changed"
		case i >= len(s.Values):
			bad[name.Name] = "has no value of its own"
		case !constant(s.Values[i]):
			bad[name.Name] = "is neither an error nor a table"
		}
	}
	return bad
}

func embedded(d *ast.GenDecl, s *ast.ValueSpec) bool {
	for _, group := range []*ast.CommentGroup{d.Doc, s.Doc} {
		if group == nil {
			continue
		}
		for _, c := range group.List {
			if strings.HasPrefix(c.Text, "//go:embed ") {
				return true
			}
		}
	}
	return false
}

// makers are the functions whose results may be package variables.
var makers = []string{
	"errors.New", "fmt.Errorf", "regexp.MustCompile", "crc32.MakeTable", "crc64.MakeTable", "strings.NewReplacer",
}

// constant tells whether the value is a table, an error or a compiled pattern.
func constant(value ast.Expr) bool {
	switch v := value.(type) {
	case *ast.CompositeLit:
		return !stateful(v.Type)
	case *ast.UnaryExpr:
		return v.Op == token.AND && constant(v.X)
	case *ast.CallExpr:
		return slices.Contains(makers, dotted(v.Fun)) || computedTable(v.Fun)
	}
	return false
}

// computedTable tells whether what is called is a function written in place that returns a table.
func computedTable(fun ast.Expr) bool {
	lit, ok := fun.(*ast.FuncLit)
	if !ok || lit.Type.Results.NumFields() != 1 {
		return false
	}
	switch lit.Type.Results.List[0].Type.(type) {
	case *ast.ArrayType, *ast.MapType:
		return true
	}
	return false
}

// stateful tells whether values of the type exist to be changed.
func stateful(typ ast.Expr) bool {
	pkg, _, _ := strings.Cut(dotted(typ), ".")
	return pkg == "sync" || pkg == "atomic"
}

// dotted is "a.b" for a selector, and "a" for a name; generic arguments are left out.
func dotted(e ast.Expr) string {
	switch e := e.(type) {
	case *ast.Ident:
		return e.Name
	case *ast.SelectorExpr:
		return dotted(e.X) + "." + e.Sel.Name
	case *ast.IndexExpr:
		return dotted(e.X)
	}
	return ""
}

// assignedGlobals returns the names of package variables that some function changes.
func assignedGlobals(files []*goFile) map[string]bool {
	top := topLevel(files)
	assigned := make(map[string]bool)
	mark := func(e ast.Expr) {
		id := rootName(e)
		if id == nil {
			return
		}
		if id.Obj == nil || top[id.Obj.Decl] { // no object: declared in another file
			assigned[id.Name] = true
		}
	}
	for _, f := range files {
		ast.Inspect(f.ast, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.AssignStmt:
				if n.Tok != token.DEFINE {
					for _, e := range n.Lhs {
						mark(e)
					}
				}
			case *ast.IncDecStmt:
				mark(n.X)
			case *ast.RangeStmt:
				if n.Tok == token.ASSIGN {
					mark(n.Key)
					mark(n.Value)
				}
			case *ast.CallExpr:
				if name := dotted(n.Fun); (name == "delete" || name == "clear" || name == "copy") && len(n.Args) > 0 {
					mark(n.Args[0])
				}
			}
			return true
		})
	}
	return assigned
}

// rootName is x in x, x[i], x.f, *x.
func rootName(e ast.Expr) *ast.Ident {
	switch e := e.(type) {
	case *ast.Ident:
		return e
	case *ast.IndexExpr:
		return rootName(e.X)
	case *ast.SelectorExpr:
		return rootName(e.X)
	case *ast.StarExpr:
		return rootName(e.X)
	case *ast.ParenExpr:
		return rootName(e.X)
	case *ast.SliceExpr:
		return rootName(e.X)
	}
	return nil
}

// topLevel is the set of the package's own declarations, as an identifier's object names them.
func topLevel(files []*goFile) map[any]bool {
	top := make(map[any]bool)
	for _, f := range files {
		for _, decl := range f.ast.Decls {
			if d, ok := decl.(*ast.GenDecl); ok {
				for _, spec := range d.Specs {
					top[spec] = true
				}
			}
		}
	}
	return top
}
