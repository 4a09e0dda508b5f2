//go:build linux && (amd64 || arm64) && !race

package apicheck

import (
	"bytes"
	"fmt"
	"go/importer"
	"go/token"
	"go/types"
	"io"
	"os"
	"os/exec"
	"slices"
	"strings"
)

// list makes a listing for each package: a line for each exported name, in the order of the
// alphabet, and one for each exported field and method, promoted ones and those of aliases
// included. It reads what the compiler exports, for this system.
func list(dir string, packages ...string) (map[string][]string, error) {
	args := append([]string{"list", "-export", "-deps", "-f", "{{.ImportPath}}\t{{.Export}}"}, packages...)
	cmd := exec.Command("go", args...)
	cmd.Dir = dir
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("go list: %w\n%s", err, stderr.Bytes())
	}
	exports := make(map[string]string)
	for line := range strings.Lines(string(out)) {
		path, file, _ := strings.Cut(strings.TrimSpace(line), "\t")
		exports[path] = file
	}
	from := importer.ForCompiler(token.NewFileSet(), "gc", func(path string) (io.ReadCloser, error) {
		return os.Open(exports[path])
	})
	listings := make(map[string][]string)
	for _, path := range packages {
		pkg, err := from.Import(path)
		if err != nil {
			return nil, err
		}
		l := listing{pkg: pkg}
		for _, name := range pkg.Scope().Names() {
			if obj := pkg.Scope().Lookup(name); obj.Exported() {
				l.object(obj)
			}
		}
		slices.Sort(l.lines)
		listings[path] = slices.Compact(l.lines)
	}
	return listings, nil
}

type listing struct {
	pkg   *types.Package
	lines []string
}

func (l *listing) add(format string, args ...any) {
	l.lines = append(l.lines, fmt.Sprintf(format, args...))
}

// qualify is how a line names the package of a type: its own not at all, one of this module by its
// place in it.
func (l *listing) qualify(p *types.Package) string {
	if p == l.pkg {
		return ""
	}
	return strings.TrimPrefix(p.Path(), module+"/")
}

func (l *listing) text(t types.Type) string { return types.TypeString(t, l.qualify) }

func (l *listing) signature(t types.Type) string { return strings.TrimPrefix(l.text(t), "func") }

func (l *listing) object(obj types.Object) {
	switch obj := obj.(type) {
	case *types.Const:
		l.add("const %s %s", obj.Name(), l.text(obj.Type()))
	case *types.Var:
		l.add("var %s %s", obj.Name(), l.text(obj.Type()))
	case *types.Func:
		l.add("func %s%s", obj.Name(), l.signature(obj.Type()))
	case *types.TypeName:
		l.typ(obj)
	}
}

func (l *listing) typ(obj *types.TypeName) {
	name, t := obj.Name(), obj.Type()
	if obj.IsAlias() {
		l.add("type %s = %s", name, l.text(types.Unalias(t)))
	} else if named, ok := t.(*types.Named); ok && named.TypeParams().Len() > 0 {
		l.add("type %s", l.text(t))
	}
	switch u := t.Underlying().(type) {
	case *types.Struct:
		l.add("type %s struct", name)
		for f := range u.Fields() {
			if f.Exported() {
				l.add("type %s struct, %s %s", name, f.Name(), l.text(f.Type()))
			}
		}
	case *types.Interface:
		l.add("type %s interface", name)
		for m := range u.Methods() {
			if m.Exported() {
				l.add("type %s interface, %s%s", name, m.Name(), l.signature(m.Type()))
			} else {
				l.add("type %s interface, a method of its own", name)
			}
		}
		return
	default:
		l.add("type %s %s", name, l.text(u))
	}
	if types.Unalias(t) != t && inStandardLibrary(t) {
		return // what Go promises about it is Go's
	}
	values := types.NewMethodSet(t)
	for m := range types.NewMethodSet(types.NewPointer(t)).Methods() {
		if !m.Obj().Exported() {
			continue
		}
		receiver := "*" + name
		if values.Lookup(l.pkg, m.Obj().Name()) != nil {
			receiver = name
		}
		l.add("method (%s) %s%s", receiver, m.Obj().Name(), l.signature(m.Type()))
	}
}

func inStandardLibrary(t types.Type) bool {
	named, ok := types.Unalias(t).(*types.Named)
	if !ok || named.Obj().Pkg() == nil {
		return false
	}
	first, _, _ := strings.Cut(named.Obj().Pkg().Path(), "/")
	return !strings.Contains(first, ".")
}
