package lint

import (
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// goFile is one parsed Go file.
type goFile struct {
	path string // relative to the repository, with slashes
	src  string
	ast  *ast.File
	test bool
}

// pkg is the directory's path, which is the package's without the module.
func (f *goFile) pkg() string { return path.Dir(f.path) }

// imports returns the import paths, and for each the name that the file uses, if it gives one.
func (f *goFile) imports() map[string]string {
	m := make(map[string]string)
	for _, spec := range f.ast.Imports {
		p, _ := strconv.Unquote(spec.Path.Value)
		m[p] = ""
		if spec.Name != nil {
			m[p] = spec.Name.Name
		}
	}
	return m
}

// uses calls yield for each use of a name of the package imported as importPath.
func (f *goFile) uses(importPath string, yield func(name string, at ast.Node)) {
	local, imported := f.imports()[importPath]
	if !imported {
		return
	}
	if local == "" {
		local = path.Base(importPath)
	}
	ast.Inspect(f.ast, func(n ast.Node) bool {
		if sel, ok := n.(*ast.SelectorExpr); ok {
			if x, ok := sel.X.(*ast.Ident); ok && x.Name == local && x.Obj == nil {
				yield(sel.Sel.Name, sel)
			}
		}
		return true
	})
}

// tree is the repository, or a part made up for a test.
type tree struct {
	fset  *token.FileSet
	files []*goFile         // sorted by path
	texts map[string]string // all other files that are text, by path
}

// finding is one breach of a rule. Rule and subject do not change when lines move.
type finding struct {
	rule, subject string
	where         string // file:line
	what          string // with the reason
}

func (f finding) String() string {
	return fmt.Sprintf("%s: %s [%s %s]", f.where, f.what, f.rule, f.subject)
}

func (t *tree) at(n ast.Node) string {
	p := t.fset.Position(n.Pos())
	return fmt.Sprintf("%s:%d", p.Filename, p.Line)
}

// parse makes a tree of files by path.
func parse(files map[string]string) (*tree, error) {
	t := &tree{fset: token.NewFileSet(), texts: make(map[string]string)}
	for p, src := range files {
		if !strings.HasSuffix(p, ".go") {
			t.texts[p] = src
			continue
		}
		f, err := parser.ParseFile(t.fset, p, src, parser.ParseComments)
		if err != nil {
			return nil, err
		}
		t.files = append(t.files, &goFile{path: p, src: src, ast: f, test: strings.HasSuffix(p, "_test.go")})
	}
	slices.SortFunc(t.files, func(a, b *goFile) int { return strings.Compare(a.path, b.path) })
	return t, nil
}

// packages returns the non-test files by package.
func (t *tree) packages() map[string][]*goFile {
	m := make(map[string][]*goFile)
	for _, f := range t.files {
		if !f.test {
			m[f.pkg()] = append(m[f.pkg()], f)
		}
	}
	return m
}

// Files larger than maxTextBytes, and those with a zero byte, are data.
const maxTextBytes = 1 << 20

// repository reads the whole repository but for what is not its source. What lies in a module of its own is text.
func repository(tb testing.TB) *tree {
	tb.Helper()
	root := repositoryRoot(tb)
	files, foreign := make(map[string]string), make(map[string]string)
	var modules []string
	err := filepath.WalkDir(root, func(p string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(root, p)
		if err != nil {
			return err
		}
		rel = filepath.ToSlash(rel)
		if d.IsDir() {
			if rel == "bin" || rel != "." && strings.HasPrefix(d.Name(), ".") {
				return filepath.SkipDir
			}
			if _, err := os.Stat(filepath.Join(p, "go.mod")); err == nil && rel != "." {
				modules = append(modules, rel)
			}
			return nil
		}
		if !d.Type().IsRegular() || rel == ".git" || strings.Contains(rel, "testdata/") && !strings.HasSuffix(rel, ".md") {
			return nil
		}
		if info, err := d.Info(); err != nil || info.Size() > maxTextBytes {
			return err
		}
		src, err := os.ReadFile(p)
		if errors.Is(err, fs.ErrNotExist) { // a file that an editor or a build has just removed
			return nil
		}
		if err != nil || slices.Contains(src, 0) {
			return err
		}
		if anyBelow(rel, modules) {
			foreign[rel] = string(src)
		} else {
			files[rel] = string(src)
		}
		return nil
	})
	if err != nil {
		tb.Fatal(err)
	}
	t, err := parse(files)
	if err != nil {
		tb.Fatal(err)
	}
	maps.Copy(t.texts, foreign)
	return t
}

// repositoryRoot is the directory of go.mod.
func repositoryRoot(tb testing.TB) string {
	tb.Helper()
	dir, err := os.Getwd()
	if err != nil {
		tb.Fatal(err)
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir
		}
		if filepath.Dir(dir) == dir {
			tb.Fatal("no go.mod above the test's directory")
		}
		dir = filepath.Dir(dir)
	}
}

// below tells whether p is root or lies below it.
func below(p, root string) bool { return p == root || strings.HasPrefix(p, root+"/") }

// anyBelow tells whether p is one of roots or lies below one.
func anyBelow(p string, roots []string) bool {
	return slices.ContainsFunc(roots, func(r string) bool { return below(p, r) })
}
