package misuse

import (
	"go/ast"
	"go/build"
	"go/parser"
	"go/token"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// packages are what users import, below the module's root, by the name that the tables have for
// them.
var packages = map[string]string{"aio": "aio", "op": "aio/op", "coro": "coro", "runtime": "runtime"}

// exported is what the packages export, read from their source.
type exported struct {
	functions, types []string
	params           map[string][]string // names of the parameters of each function, by "aio.File.Read"
}

func readPackages(t testing.TB) exported {
	t.Helper()
	e := exported{params: map[string][]string{}}
	for name, dir := range packages {
		dir = filepath.Join("../..", dir)
		files, err := os.ReadDir(dir)
		if err != nil {
			t.Fatal(err)
		}
		ctxt := build.Default
		ctxt.BuildTags = buildTags
		for _, f := range files {
			ok, err := ctxt.MatchFile(dir, f.Name())
			if !ok || err != nil || strings.HasSuffix(f.Name(), "_test.go") {
				continue
			}
			tree, err := parser.ParseFile(token.NewFileSet(), filepath.Join(dir, f.Name()), nil,
				parser.SkipObjectResolution)
			if err != nil {
				t.Fatal(err)
			}
			for _, d := range tree.Decls {
				e.add(name, d)
			}
		}
	}
	slices.Sort(e.functions)
	slices.Sort(e.types)
	return e
}

func (e *exported) add(pkg string, d ast.Decl) {
	switch d := d.(type) {
	case *ast.FuncDecl:
		name := pkg + "." + d.Name.Name
		if d.Recv != nil {
			name = pkg + "." + receiver(d.Recv.List[0].Type) + "." + d.Name.Name
		} else if d.Name.IsExported() {
			e.functions = append(e.functions, name)
		}
		params := []string{}
		for _, f := range d.Type.Params.List {
			for _, n := range f.Names {
				params = append(params, n.Name)
			}
		}
		e.params[name] = params
	case *ast.GenDecl:
		for _, s := range d.Specs {
			if s, ok := s.(*ast.TypeSpec); ok && s.Name.IsExported() {
				e.types = append(e.types, pkg+"."+s.Name.Name)
			}
		}
	}
}

// receiver is the name of the type in a receiver.
func receiver(x ast.Expr) string {
	switch x := x.(type) {
	case *ast.StarExpr:
		return receiver(x.X)
	case *ast.IndexExpr:
		return receiver(x.X)
	case *ast.Ident:
		return x.Name
	}
	return "?"
}

// TestTables: the tables name all that the packages export, and nothing else.
func TestTables(t *testing.T) {
	e := readPackages(t)
	for _, tt := range []struct {
		what      string
		has, want []string
	}{
		{"functions", slices.Sorted(maps.Keys(functions)), e.functions},
		{"types", slices.Sorted(maps.Keys(types)), e.types},
	} {
		for _, n := range tt.want {
			if !slices.Contains(tt.has, n) {
				t.Errorf("%s is not in the table of %s", n, tt.what)
			}
		}
		for _, n := range tt.has {
			if !slices.Contains(tt.want, n) {
				t.Errorf("%s is in the table of %s, and no package exports it", n, tt.what)
			}
		}
	}
}
