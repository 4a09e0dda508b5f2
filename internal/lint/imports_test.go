package lint

import (
	"go/ast"
	"go/build"
	"go/parser"
	"go/token"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
)

// dependencies lists which package may import what comes neither from the standard library nor from
// this module. Tests may import what they like, except where the row says "always".
var dependencies = []struct {
	path   string   // the packages at and below it
	in     []string // where, written like layer.pkg
	tag    string   // and only in files that this build tag switches on
	always bool     // tests are bound too
	why    string
}{
	{"golang.org/x/sys/unix", []string{"internal/...", "backends/uring", "backends/epoll", "backends/portable",
		"backends/backendtest", "aio", "examples/coroecho"}, "", false,
		"the kernel is touched by internal/, the backends that speak to it, and the facade; all else goes through " +
			"them, but a program that sets an option of a socket"},
	{"github.com/pawelgaczynski/giouring", []string{"internal/giouring", "backends/uring"}, "giouring", true,
		"a program that links it needs -ldflags=-checklinkname=0, so nothing that users or plain tests build may " +
			"import it"},
}

func checkDependencies(f *file, report reporter) {
	for _, im := range f.imports() {
		first, _, _ := strings.Cut(im.path, "/")
		if _, ok := im.inModule(); ok || !strings.Contains(first, ".") {
			continue
		}
		known := false
		for _, d := range dependencies {
			if !under(im.path, d.path) {
				continue
			}
			known = true
			if f.test() && !d.always {
				break
			}
			if !slices.ContainsFunc(d.in, func(p string) bool { return matches(p, f.dir()) }) {
				report(im.pos, "%s must not import %s: %s. Use or add a function in internal/sys; for a new backend "+
					"add it to the row in dependencies (internal/lint/imports_test.go).", f.dir(), im.path, d.why)
			}
			if d.tag != "" && f.matchesAnywhere(without(d.tag)) {
				report(im.pos, "%s is imported without the build tag %s: %s. Put //go:build %[2]s in front of "+
					"the file.",
					im.path, d.tag, d.why)
			}
		}
		if !known && !f.test() && !slices.Contains(testSupport, f.dir()) {
			report(im.pos, "%s would become a dependency of every program that uses weir. Use the standard library; "+
				"use it in tests only; or move the program to a module of its own, as stress is. If it must be, add "+
				"a row to dependencies (internal/lint/imports_test.go).", im.path)
		}
	}
}

// unsafeIn lists the packages that may use unsafe, written like layer.pkg.
var unsafeIn = []string{"internal/sys/...", "internal/park", "internal/prefetch", "internal/giouring", "backends/uring"}

func checkUnsafe(f *file, report reporter) {
	for _, im := range f.imports() {
		if im.path == "unsafe" && !slices.ContainsFunc(unsafeIn, func(p string) bool { return matches(p, f.dir()) }) {
			report(im.pos, "package unsafe is for %q, where the kernel's layouts and the runtime's names are. Put "+
				"the function that needs it into internal/sys, with a safe signature.", unsafeIn)
		}
	}
}

func checkRuntimeAlias(f *file, report reporter) {
	for _, im := range f.imports() {
		switch {
		case im.path == modulePath+"/runtime" && im.name != "aiort":
			report(im.pos, "import weir's runtime as aiort everywhere, so that runtime always means the standard "+
				"library's.")
		case im.path != "runtime" || f.dir() != "runtime":
		case !f.test() && f.path != "runtime/std.go":
			report(im.pos, "in package runtime only std.go imports the standard library's. Add a small function there.")
		case im.name != "stdruntime":
			report(im.pos, "import the standard library's runtime as stdruntime here: the plain name means this "+
				"package.")
		}
	}
}

// stdNames are the exported names of the standard library's package runtime, on any system.
var stdNames = sync.OnceValues(func() (map[string]bool, error) {
	root := build.Default.GOROOT
	if root == "" { // built with -trimpath; go test puts its own directory at the head of PATH
		tool, err := exec.LookPath("go")
		if err != nil {
			return nil, err
		}
		root = filepath.Dir(filepath.Dir(tool))
	}
	dir := filepath.Join(root, "src", "runtime")
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	names := make(map[string]bool)
	for _, e := range entries {
		if e.IsDir() || filepath.Ext(e.Name()) != ".go" || strings.HasSuffix(e.Name(), "_test.go") {
			continue
		}
		tree, err := parser.ParseFile(token.NewFileSet(), filepath.Join(dir, e.Name()), nil,
			parser.SkipObjectResolution)
		if err != nil {
			return nil, err
		}
		if tree.Name.Name == "runtime" { // and not a generator
			for _, id := range exported(tree) {
				names[id.Name] = true
			}
		}
	}
	return names, nil
})

// exported lists the exported identifiers that a file declares at top level, methods not among
// them.
func exported(tree *ast.File) []*ast.Ident {
	var ids []*ast.Ident
	for _, d := range tree.Decls {
		switch d := d.(type) {
		case *ast.FuncDecl:
			if d.Recv == nil {
				ids = append(ids, d.Name)
			}
		case *ast.GenDecl:
			for _, s := range d.Specs {
				switch s := s.(type) {
				case *ast.TypeSpec:
					ids = append(ids, s.Name)
				case *ast.ValueSpec:
					ids = append(ids, s.Names...)
				}
			}
		}
	}
	return slices.DeleteFunc(ids, func(id *ast.Ident) bool { return !id.IsExported() })
}

func checkRuntimeNames(f *file, report reporter) {
	if f.dir() != "runtime" || f.test() {
		return
	}
	std, err := stdNames()
	if err != nil {
		report(token.NoPos, "cannot read the standard library's runtime to compare names with: %v", err)
		return
	}
	for _, id := range exported(f.ast) {
		if std[id.Name] {
			report(id.Pos(), "the standard library's runtime has a %s too, so a file with the wrong import would "+
				"compile and do something else. Choose another name.", id.Name)
		}
	}
}

// TestStdNames makes sure that the names were found: an empty set would forbid nothing.
func TestStdNames(t *testing.T) {
	std, err := stdNames()
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"Gosched", "GOMAXPROCS", "GOOS", "Pinner", "MemProfileRate", "Error"} {
		if !std[name] {
			t.Errorf("runtime.%s is missing among the %d names found", name, len(std))
		}
	}
	if std["Loop"] || std["Next"] { // Next is a method of Frames
		t.Error("names were found that runtime does not export")
	}
}
