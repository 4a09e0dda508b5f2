package aio_test

import (
	"bytes"
	"go/ast"
	"go/build"
	"go/parser"
	"go/printer"
	"go/token"
	"maps"
	"net"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"
)

// apiSystems are those whose package is compared with Linux's.
var apiSystems = []string{"android", "darwin", "freebsd", "js", "openbsd", "plan9", "solaris", "wasip1", "windows"}

// promoted are the types of the standard library that are embedded on systems other than Linux.
var promoted = map[string]reflect.Type{
	"net.TCPConn":      reflect.TypeFor[*net.TCPConn](),
	"net.UDPConn":      reflect.TypeFor[*net.UDPConn](),
	"net.IPConn":       reflect.TypeFor[*net.IPConn](),
	"net.UnixConn":     reflect.TypeFor[*net.UnixConn](),
	"net.TCPListener":  reflect.TypeFor[*net.TCPListener](),
	"net.UnixListener": reflect.TypeFor[*net.UnixListener](),
	"os.File":          reflect.TypeFor[*os.File](),
}

// api is what package aio exports on one system: each name with what is to be the same about it,
// nothing if that is known to be.
type api map[string]string

// apiOf reads the package as it is built on goos.
func apiOf(t *testing.T, goos string, tags ...string) api {
	t.Helper()
	ctxt := build.Default
	ctxt.GOOS, ctxt.BuildTags, ctxt.CgoEnabled = goos, tags, false
	if ctxt.GOARCH = "arm64"; goos == "js" || goos == "wasip1" {
		ctxt.GOARCH = "wasm"
	}
	fset := token.NewFileSet()
	p := Source{fset: fset, types: map[string]*ast.TypeSpec{}, methods: map[string]map[string]string{}, api: api{}}
	files, err := os.ReadDir(".")
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range files {
		if ok, err := ctxt.MatchFile(".", e.Name()); !ok || err != nil || strings.HasSuffix(e.Name(), "_test.go") {
			continue
		}
		f, err := parser.ParseFile(fset, e.Name(), nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range f.Decls {
			p.declare(d)
		}
	}
	for name := range p.types {
		if ast.IsExported(name) {
			for m, sig := range p.methodsOf(name) {
				if ast.IsExported(m) {
					p.api["method "+name+"."+m] = sig
				}
			}
		}
	}
	return p.api
}

type Source struct {
	fset    *token.FileSet
	types   map[string]*ast.TypeSpec
	methods map[string]map[string]string // by receiver
	api     api
}

func (p *Source) text(n ast.Node) string {
	var b bytes.Buffer
	if err := printer.Fprint(&b, p.fset, n); err != nil {
		panic(err)
	}
	return b.String()
}

// signature is the types of a function's parameters and results, without their names.
func (p *Source) signature(f *ast.FuncType) string {
	list := func(fields *ast.FieldList) string {
		var all []string
		for _, f := range fields.List {
			for range max(len(f.Names), 1) {
				all = append(all, p.text(f.Type))
			}
		}
		return "(" + strings.Join(all, ", ") + ")"
	}
	sig := list(f.Params)
	if f.Results != nil {
		sig += " " + list(f.Results)
	}
	return sig
}

func (p *Source) declare(d ast.Decl) {
	switch d := d.(type) {
	case *ast.FuncDecl:
		sig := p.signature(d.Type)
		if d.Recv == nil {
			if d.Name.IsExported() {
				p.api["func "+d.Name.Name] = sig
			}
			return
		}
		recv := d.Recv.List[0].Type
		if star, ok := recv.(*ast.StarExpr); ok {
			recv = star.X
		}
		name := recv.(*ast.Ident).Name
		if p.methods[name] == nil {
			p.methods[name] = map[string]string{}
		}
		p.methods[name][d.Name.Name] = sig
	case *ast.GenDecl:
		for _, s := range d.Specs {
			switch s := s.(type) {
			case *ast.TypeSpec:
				p.types[s.Name.Name] = s
				p.declareType(s)
			case *ast.ValueSpec:
				for _, n := range s.Names {
					if n.IsExported() {
						p.api[d.Tok.String()+" "+n.Name] = ""
					}
				}
			}
		}
	}
}

func (p *Source) declareType(s *ast.TypeSpec) {
	if !s.Name.IsExported() {
		return
	}
	st, ok := s.Type.(*ast.StructType)
	if !ok {
		p.api["type "+s.Name.Name] = p.text(s.Type)
		return
	}
	p.api["type "+s.Name.Name] = "struct"
	for _, f := range st.Fields.List {
		for _, n := range f.Names {
			if n.IsExported() {
				p.api["field "+s.Name.Name+"."+n.Name] = p.text(f.Type)
			}
		}
	}
}

// methodsOf lists the methods of a type, those of what it embeds included.
func (p *Source) methodsOf(name string) map[string]string {
	all := map[string]string{}
	s := p.types[name]
	if s == nil {
		return all
	}
	if std := promoted[p.text(s.Type)]; std != nil && s.Assign.IsValid() {
		for i := range std.NumMethod() {
			if name := std.Method(i).Name; name != "PollFD" { // which os.File has on WASI alone, for package net
				all[name] = "" // TestMethodsLikeStd compares Linux's with it
			}
		}
		return all
	}
	if st, ok := s.Type.(*ast.StructType); ok {
		for _, f := range st.Fields.List {
			if len(f.Names) == 0 {
				maps.Copy(all, p.methodsOf(strings.TrimPrefix(p.text(f.Type), "*")))
			}
		}
	}
	maps.Copy(all, p.methods[name])
	return all
}

// TestSameAPI guards that a program which compiles on Linux does everywhere.
func TestSameAPI(t *testing.T) {
	linux := apiOf(t, "linux")
	for _, name := range []string{"func Dial", "method TCPConn.SetNoDelay", "method TCPConn.SetDeadline",
		"field Dialer.IO", "type Options"} {
		if _, ok := linux[name]; !ok {
			t.Fatalf("%s is missing among the %d names found", name, len(linux))
		}
	}
	check := func(t *testing.T, other api) {
		for _, name := range slices.Sorted(maps.Keys(linux)) {
			got, ok := other[name]
			if want := linux[name]; !ok {
				t.Errorf("%s %s is missing. Where the file that has it is for Linux only, say the same in one that "+
					"ends in _other.go.", name, want)
			} else if got != want && got != "" {
				t.Errorf("%s is %s, on Linux %s", name, got, want)
			}
		}
		for _, name := range slices.Sorted(maps.Keys(other)) {
			if _, ok := linux[name]; !ok {
				t.Errorf("%s %s is not there on Linux", name, other[name])
			}
		}
	}
	for _, goos := range apiSystems {
		t.Run(goos, func(t *testing.T) { check(t, apiOf(t, goos)) })
	}
	t.Run("weir_portable", func(t *testing.T) { check(t, apiOf(t, "linux", "weir_portable")) })
}

// TestPortableTag guards that the build tag weir_portable gives Linux what other systems have:
// files for Linux alone say that they are not for it, the others that they are. What needs Linux
// and not the facade is not touched by it.
func TestPortableTag(t *testing.T) {
	names, err := os.ReadDir(".")
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range names {
		want := ""
		switch name := strings.TrimSuffix(strings.TrimSuffix(e.Name(), ".go"), "_test"); {
		case strings.HasSuffix(name, "_linux"):
			want = "//go:build !weir_portable"
		case strings.HasSuffix(name, "_other"):
			want = "//go:build !linux || weir_portable"
		default:
			continue
		}
		if strings.HasPrefix(e.Name(), "splice_") {
			if want = "package aio"; strings.HasSuffix(e.Name(), "_other.go") {
				want = "//go:build !linux"
			}
		}
		src, err := os.ReadFile(e.Name())
		if err != nil {
			t.Fatal(err)
		}
		first, _, _ := strings.Cut(string(src), "\n")
		if strings.HasSuffix(e.Name(), "_linux_test.go") && strings.HasPrefix(first, "package ") {
			continue // a test of what both have
		}
		without, negated := strings.CutPrefix(want, "//go:build ")
		negated = negated && strings.HasPrefix(without, "!")
		if first != want && !(negated && strings.HasSuffix(first, " && "+without)) {
			t.Errorf("%s begins with %q, want %q", e.Name(), first, want)
		}
	}
}
