package main

import (
	"bytes"
	"errors"
	"fmt"
	"go/ast"
	"go/format"
	"go/parser"
	"go/token"
	"os"
	"slices"
	"strconv"
	"strings"
)

const aioPath = "github.com/weirgo/weir/aio"

// A file is one Go file, before and after.
type file struct {
	path    string
	src     []byte
	set     *token.FileSet
	ast     *ast.File
	after   []byte
	changes int
	hints   []string
}

func parse(path string) (*file, error) {
	src, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	f := &file{path: path, src: src, after: src, set: token.NewFileSet()}
	f.ast, err = parser.ParseFile(f.set, path, src, parser.ParseComments)
	return f, err
}

// declares adds the names that the file declares for its package.
func (f *file) declares(names map[string]bool) {
	for name := range f.ast.Scope.Objects {
		names[name] = true
	}
}

func importPath(spec *ast.ImportSpec) string {
	path, _ := strconv.Unquote(spec.Path.Value) // the parser has checked it
	return path
}

// importName is what the file calls a package, "" if it uses no name for it.
func importName(spec *ast.ImportSpec) string {
	if spec.Name == nil {
		path := importPath(spec)
		return path[strings.LastIndex(path, "/")+1:]
	}
	if spec.Name.Name == "_" {
		return ""
	}
	return spec.Name.Name
}

// An edit puts text in the place of the bytes from and to.
type edit struct {
	from, to int
	text     string
}

// uses are the selectors of a package that the file imports by that name. An identifier that the
// parser resolves is something else of that name.
func (f *file) uses(name string) (list []*ast.SelectorExpr) {
	ast.Inspect(f.ast, func(n ast.Node) bool {
		if sel, ok := n.(*ast.SelectorExpr); ok {
			if id, ok := sel.X.(*ast.Ident); ok && id.Obj == nil && id.Name == name {
				list = append(list, sel)
			}
		}
		return true
	})
	return list
}

// rewrite makes what the file is afterwards. declared are the names of its package.
func (f *file) rewrite(names table, declared map[string]bool) error {
	f.look()
	to, imported := f.aioName(declared)
	var edits []edit
	var unused []*ast.ImportSpec
	moved := make(map[*ast.SelectorExpr]bool)
	for _, spec := range f.ast.Imports {
		list, ok := names[importPath(spec)]
		if !ok {
			continue
		}
		name := importName(spec)
		if name == "." {
			return fmt.Errorf("it imports %s with a dot: give it a name first", spec.Path.Value)
		}
		left := name == "" // imported for its own sake
		for _, sel := range f.uses(name) {
			if !slices.Contains(list, sel.Sel.Name) {
				left = true
				continue
			}
			moved[sel] = true
			from := f.offset(sel.X.Pos())
			edits = append(edits, edit{from, from + len(name), to})
		}
		if !left {
			unused = append(unused, spec)
		}
	}
	if len(edits) == 0 {
		return nil
	}
	if err := f.doubledCases(moved, to); err != nil {
		return err
	}
	f.changes = len(edits)
	edits = append(edits, f.without(unused)...)
	if !imported {
		edits = append(edits, f.with(to))
	}
	var err error
	f.after, err = format.Source(apply(f.src, edits))
	return err
}

func (f *file) offset(p token.Pos) int { return f.set.Position(p).Offset }

// apply makes the edits, none of which overlap.
func apply(src []byte, edits []edit) []byte {
	slices.SortStableFunc(edits, func(a, b edit) int {
		if a.from != b.from {
			return a.from - b.from
		}
		return a.to - b.to // what is put in before what is taken out
	})
	var out bytes.Buffer
	at := 0
	for _, e := range edits {
		out.Write(src[at:e.from])
		out.WriteString(e.text)
		at = e.to
	}
	out.Write(src[at:])
	return out.Bytes()
}

// aioName is the name by which the file calls package aio, or will: the one it has if it imports
// that, otherwise one that is free.
func (f *file) aioName(declared map[string]bool) (name string, imported bool) {
	for _, spec := range f.ast.Imports {
		if n := importName(spec); importPath(spec) == aioPath && n != "" && n != "." {
			return n, true
		}
	}
	used := make(map[string]bool)
	ast.Inspect(f.ast, func(n ast.Node) bool {
		if id, ok := n.(*ast.Ident); ok {
			used[id.Name] = true
		}
		return true
	})
	for _, spec := range f.ast.Imports {
		used[importName(spec)] = true
	}
	name = "aio"
	for n := 2; used[name] || declared[name]; n++ {
		name = "weiraio"
		if n > 2 {
			name += strconv.Itoa(n)
		}
	}
	return name, false
}

// without are the edits that take imports out.
func (f *file) without(specs []*ast.ImportSpec) (edits []edit) {
	for _, d := range f.ast.Decls {
		d, ok := d.(*ast.GenDecl)
		if !ok || d.Tok != token.IMPORT {
			continue
		}
		for _, s := range d.Specs {
			spec := s.(*ast.ImportSpec)
			if !slices.Contains(specs, spec) {
				continue
			}
			from, to := spec.Pos(), spec.End()
			if spec.Comment != nil {
				to = spec.Comment.End()
			}
			if !d.Lparen.IsValid() {
				from = d.Pos()
			}
			edits = append(edits, edit{f.offset(from), f.behind(f.offset(to)), ""})
		}
	}
	return edits
}

// behind is the place behind an import that ends at end: the semicolon or the end of the line goes
// with it.
func (f *file) behind(end int) int {
	for end < len(f.src) && (f.src[end] == ' ' || f.src[end] == '\t' || f.src[end] == '\r') {
		end++
	}
	if end < len(f.src) && (f.src[end] == ';' || f.src[end] == '\n') {
		end++
	}
	return end
}

// with is the edit that imports package aio by name.
func (f *file) with(name string) edit {
	spec := strconv.Quote(aioPath)
	if name != "aio" {
		spec = name + " " + spec
	}
	var alone *ast.GenDecl // the last import that has no parentheses; not that of C, whose comment belongs to it
	for _, d := range f.ast.Decls {
		d, ok := d.(*ast.GenDecl)
		if !ok || d.Tok != token.IMPORT || len(d.Specs) == 0 {
			continue
		}
		last := importPath(d.Specs[len(d.Specs)-1].(*ast.ImportSpec))
		if !d.Lparen.IsValid() {
			if last != "C" {
				alone = d
			}
			continue
		}
		gap := "\n"
		if first, _, _ := strings.Cut(last, "/"); strings.Contains(first, ".") {
			gap = "" // beside other modules
		}
		from := f.offset(d.Rparen)
		return edit{from, from, gap + spec + "\n"}
	}
	from := f.offset(f.ast.Name.End())
	if alone != nil {
		from = f.offset(alone.Pos())
	} else if next := bytes.IndexByte(f.src[from:], '\n'); next >= 0 { // behind a comment on the line
		from += next + 1
	}
	return edit{from, from, "import " + spec + "\n"}
}

// doubledCases fails if a switch on types would have a type twice: it knew the types of both
// packages.
func (f *file) doubledCases(moved map[*ast.SelectorExpr]bool, to string) error {
	var errs []error
	ast.Inspect(f.ast, func(n ast.Node) bool {
		s, ok := n.(*ast.TypeSwitchStmt)
		if !ok {
			return true
		}
		seen := make(map[string]bool)
		for _, c := range s.Body.List {
			for _, x := range c.(*ast.CaseClause).List {
				text := f.willBe(x, moved, to)
				if seen[text] {
					const twice = "line %d: the switch would have the case %s twice: join the two first"
					errs = append(errs, fmt.Errorf(twice, f.set.Position(x.Pos()).Line, text))
				}
				seen[text] = true
			}
		}
		return true
	})
	return errors.Join(errs...)
}

// willBe is an expression as it will be.
func (f *file) willBe(x ast.Expr, moved map[*ast.SelectorExpr]bool, to string) string {
	base := f.offset(x.Pos())
	src := f.src[base:f.offset(x.End())]
	var edits []edit
	ast.Inspect(x, func(n ast.Node) bool {
		if sel, ok := n.(*ast.SelectorExpr); ok && moved[sel] {
			from := f.offset(sel.X.Pos()) - base
			edits = append(edits, edit{from, from + len(sel.X.(*ast.Ident).Name), to})
		}
		return true
	})
	return string(apply(src, edits))
}

// opens are functions of other packages that open a socket of package net, and what to do about it.
var opens = map[string]map[string]string{
	"net/http": {
		"ListenAndServe":    "ln, err := aio.Listen(\"tcp\", addr), then http.Serve(ln, handler)",
		"ListenAndServeTLS": "ln, err := aio.Listen(\"tcp\", addr), then http.ServeTLS(ln, handler, cert, key)",
		"DefaultTransport":  "&http.Transport{DialContext: aio.DialContext}",
		"DefaultClient":     "&http.Client{Transport: &http.Transport{DialContext: aio.DialContext}}",
	},
	"crypto/tls": {
		"Dial":   "conn, err := aio.Dial(...), then tls.Client(conn, config)",
		"Listen": "ln, err := aio.Listen(...), then tls.NewListener(ln, config)",
	},
	"net/rpc":  {"Dial": "conn, err := aio.Dial(...), then rpc.NewClient(conn)"},
	"net/smtp": {"Dial": "conn, err := aio.Dial(...), then smtp.NewClient(conn, host)"},
}

// look notes where the file opens sockets by way of other packages.
func (f *file) look() {
	for _, spec := range f.ast.Imports {
		for _, sel := range f.uses(importName(spec)) {
			if do, ok := opens[importPath(spec)][sel.Sel.Name]; ok {
				f.hints = append(f.hints, fmt.Sprintf("%s:%d: %s.%s is of package net: %s",
					f.path, f.set.Position(sel.Pos()).Line, importPath(spec), sel.Sel.Name, do))
			}
		}
	}
}
