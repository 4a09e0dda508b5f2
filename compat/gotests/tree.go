package main

import (
	"embed"
	"fmt"
	"go/ast"
	"go/build"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"strconv"
	"strings"
)

//go:embed testdata
var ours embed.FS

// A tree is a module that is made for one run. Its packages std/net, std/os, aio/net and aio/os
// have the names of one side.
type tree struct {
	dir     string
	weir    string // the checkout
	exports *exports
}

// newTree makes the module, which requires what this program's does.
func newTree(dir, weir string) (*tree, error) {
	self := filepath.Join(weir, "compat", "gotests")
	for _, name := range []string{"go.mod", "go.sum"} {
		b, err := os.ReadFile(filepath.Join(self, name))
		if err != nil {
			return nil, err
		}
		if err := write(filepath.Join(dir, name), b); err != nil {
			return nil, err
		}
	}
	const me, it = "github.com/weirgo/weir/compat/gotests", "github.com/weirgo/weir"
	if _, err := run(dir, nil, "go", "mod", "edit", "-module=gotests", "-go="+patchesAreFor[2:],
		"-replace="+it+"="+weir, "-require="+me+"@v0.0.0", "-replace="+me+"="+self); err != nil {
		return nil, err
	}
	e, err := loadExports(dir)
	return &tree{dir, weir, e}, err
}

// generate writes the package pkg of a side with those of Go's test files that are for this system.
func (t *tree) generate(s side, pkg string) error {
	to := filepath.Join(t.dir, string(s), pkg)
	without, err := t.standIns(s, pkg, to)
	if err != nil {
		return err
	}
	src, _, err := t.exports.aliases(pkg, s, without)
	if err != nil {
		return err
	}
	if err := write(filepath.Join(to, "aaa_alias.go"), src); err != nil {
		return err
	}
	tests, err := testFiles(pkg)
	if err != nil {
		return err
	}
	used := make([]int, len(patches[pkg]))
	for _, name := range tests {
		src, err := os.ReadFile(filepath.Join(goroot(), pkg, name))
		if err != nil {
			return err
		}
		src = apply(pkg, name, src, used)
		if src, err = t.redirect(s, pkg, name, src); err != nil {
			return err
		}
		if err := write(filepath.Join(to, name), src); err != nil {
			return err
		}
	}
	if err := checkUsed(pkg, used); err != nil {
		return err
	}
	return copyDir(filepath.Join(goroot(), pkg, "testdata"), filepath.Join(to, "testdata"))
}

// standIns copies this program's files for the package and returns the exported names that they
// declare.
func (t *tree) standIns(s side, pkg, to string) (map[string]bool, error) {
	declared := map[string]bool{}
	files, err := fs.Glob(ours, path.Join("testdata", pkg, "*"))
	if err != nil {
		return nil, err
	}
	for _, name := range files {
		src, err := ours.ReadFile(name)
		if err != nil {
			return nil, err
		}
		base := path.Base(name)
		if strings.HasSuffix(base, ".go") {
			f, err := parser.ParseFile(token.NewFileSet(), name, src, parser.SkipObjectResolution)
			if err != nil {
				return nil, err
			}
			if !strings.HasSuffix(base, "_test.go") {
				for _, d := range f.Decls {
					for _, n := range names(d) {
						declared[n] = true
					}
				}
			}
			src = []byte(strings.ReplaceAll(string(src), `"gotests/`, `"gotests/`+string(s)+`/`))
		}
		if err := write(filepath.Join(to, base), src); err != nil {
			return nil, err
		}
	}
	return declared, nil
}

// redirect has a test file import the generated packages and the stand-ins. Tests of net use
// package os's files, which is what package net takes and gives.
func (t *tree) redirect(s side, pkg, name string, src []byte) ([]byte, error) {
	set := token.NewFileSet()
	f, err := parser.ParseFile(set, name, src, parser.ImportsOnly)
	if err != nil {
		return nil, err
	}
	for i := len(f.Imports) - 1; i >= 0; i-- { // from the end, so that offsets stay
		lit := f.Imports[i].Path
		from, _ := strconv.Unquote(lit.Value) // the parser has checked it
		to := standFor[from]
		if from == "net" || from == "os" && pkg == "os" {
			to = "gotests/" + string(s) + "/" + from
		}
		if to == "" {
			continue
		}
		at, end := set.Position(lit.Pos()).Offset, set.Position(lit.End()).Offset
		src = append(src[:at:at], strconv.Quote(to)+string(src[end:])...)
	}
	return src, nil
}

// testFiles are the test files of one of Go's packages that are for this system and are copied.
func testFiles(pkg string) ([]string, error) {
	all, err := filepath.Glob(filepath.Join(goroot(), pkg, "*_test.go"))
	if err != nil {
		return nil, err
	}
	ctx := build.Default
	ctx.CgoEnabled = false
	var list []string
	for _, name := range all {
		name = filepath.Base(name)
		ok, err := ctx.MatchFile(filepath.Join(goroot(), pkg), name)
		if err != nil {
			return nil, err
		}
		if ok && notCopied[pkg][name] == "" {
			list = append(list, name)
		}
	}
	return list, nil
}

// names are the names that a declaration gives something to, methods not among them.
func names(d ast.Decl) []string {
	switch d := d.(type) {
	case *ast.FuncDecl:
		if d.Recv == nil {
			return []string{d.Name.Name}
		}
	case *ast.GenDecl:
		var names []string
		for _, spec := range d.Specs {
			switch spec := spec.(type) {
			case *ast.TypeSpec:
				names = append(names, spec.Name.Name)
			case *ast.ValueSpec:
				for _, n := range spec.Names {
					names = append(names, n.Name)
				}
			}
		}
		return names
	}
	return nil
}

// goroot is where Go's own packages are.
func goroot() string { return filepath.Join(build.Default.GOROOT, "src") }

func write(name string, b []byte) error {
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		return err
	}
	return os.WriteFile(name, b, 0o644)
}

// copyDir copies a directory, if there is one.
func copyDir(from, to string) error {
	if _, err := os.Stat(from); err != nil {
		return nil
	}
	return os.CopyFS(to, os.DirFS(from))
}

// run runs a command and returns what it says, which is part of the error too.
func run(dir string, env []string, name string, args ...string) (string, error) {
	cmd := exec.Command(name, args...)
	cmd.Dir, cmd.Env = dir, append(os.Environ(), env...)
	out, err := cmd.CombinedOutput()
	if err != nil {
		err = fmt.Errorf("%s %s: %w\n%s", name, strings.Join(args, " "), err, out)
	}
	return string(out), err
}
