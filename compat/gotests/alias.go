package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"go/importer"
	"go/token"
	"go/types"
	"io"
	"os"
	"os/exec"
)

const aioPath = "github.com/weirgo/weir/aio"

// A side is whose names a generated package has.
type side string

const (
	sideStd side = "std" // all of the standard library's
	sideAio side = "aio" // aio's where aio has them
)

// notAlike are exported names that package aio has for something else than net or os.
var notAlike = map[string]bool{"Buffers": true}

// exports are the packages whose names the generated ones have.
type exports struct {
	imp types.Importer
	aio *types.Package
}

// loadExports reads what the compiler says about packages, in the module at dir.
func loadExports(dir string) (*exports, error) {
	cmd := exec.Command("go", "list", "-export", "-deps", "-json=ImportPath,Export", "net", "os", aioPath)
	cmd.Dir, cmd.Stderr = dir, os.Stderr
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("go list -export: %w", err)
	}
	files := map[string]string{}
	for d := json.NewDecoder(bytes.NewReader(out)); ; {
		var p struct{ ImportPath, Export string }
		if err := d.Decode(&p); err == io.EOF {
			break
		} else if err != nil {
			return nil, err
		}
		files[p.ImportPath] = p.Export
	}
	e := new(exports)
	e.imp = importer.ForCompiler(token.NewFileSet(), "gc", func(path string) (io.ReadCloser, error) {
		if files[path] == "" {
			return nil, errors.New("no export data")
		}
		return os.Open(files[path])
	})
	e.aio, err = e.imp.Import(aioPath)
	return e, err
}

// aliases is a file with all exported names of the package pkg, on one of the sides, and the names
// that are aio's.
func (e *exports) aliases(pkg string, s side, without map[string]bool) (src []byte, ofAio []string, err error) {
	std, err := e.imp.Import(pkg)
	if err != nil {
		return nil, nil, err
	}
	var b bytes.Buffer
	for _, name := range std.Scope().Names() {
		o := std.Scope().Lookup(name)
		if !o.Exported() || without[name] {
			continue
		}
		from := "std"
		if s == sideAio && e.alike(o) {
			from = "aio"
			ofAio = append(ofAio, name)
		}
		kind := "var"
		switch o.(type) {
		case *types.TypeName:
			kind = "type"
		case *types.Const:
			kind = "const"
		}
		fmt.Fprintf(&b, "%s %s = %s.%s\n", kind, name, from, name)
	}
	head := fmt.Sprintf("package %s\n\nimport std %q\n", pkg, pkg)
	if s == sideAio {
		head += fmt.Sprintf("import aio %q\n", aioPath)
	}
	return append([]byte(head), b.Bytes()...), ofAio, nil
}

// alike says whether aio has the name of o for the same thing: a type, or a function with the same
// parameters and results but for the package that their types come from.
func (e *exports) alike(o types.Object) bool {
	x := e.aio.Scope().Lookup(o.Name())
	if x == nil || notAlike[o.Name()] {
		return false
	}
	if _, ok := o.(*types.TypeName); ok {
		_, ok = x.(*types.TypeName)
		return ok
	}
	f, ok1 := o.Type().(*types.Signature)
	g, ok2 := x.Type().(*types.Signature)
	return ok1 && ok2 && f.Variadic() == g.Variadic() && shape(f.Params()) == shape(g.Params()) &&
		shape(f.Results()) == shape(g.Results())
}

// shape names the types of parameters without their packages.
func shape(vars *types.Tuple) string {
	s := ""
	for v := range vars.Variables() {
		s += types.TypeString(v.Type(), func(*types.Package) string { return "" }) + ";"
	}
	return s
}
