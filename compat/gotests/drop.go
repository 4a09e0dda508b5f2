package main

import (
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// A drop is a declaration that was taken out, and the first thing that the compiler said about it.
type drop struct{ file, names, why string }

var compilerSays = regexp.MustCompile(`(?m)^([^\s:]+\.go):(\d+):(\d+): (.*)$`)

// compile builds the tests of a generated package. It takes out the declarations that the compiler
// complains about, one generation after the other: those that want what a package keeps to itself,
// then those that want these. Lines keep their numbers.
func (t *tree) compile(s side, pkg, bin string, flags ...string) ([]drop, error) {
	args := slices.Concat([]string{"test", "-c", "-vet=off", "-ldflags=-checklinkname=0", "-gcflags=-e", "-o", bin},
		flags,
		[]string{"./" + string(s) + "/" + pkg})
	var drops []drop
	for range 50 {
		out, err := run(t.dir, buildEnv(), "go", args...)
		if err == nil {
			return drops, nil
		}
		files := map[string]*source{}
		for _, m := range compilerSays.FindAllStringSubmatch(out, -1) {
			name := filepath.Join(t.dir, m[1])
			f := files[name]
			if f == nil {
				var perr error
				if f, perr = parseSource(name); perr != nil {
					return nil, errors.Join(perr, err)
				}
				files[name] = f
			}
			line, _ := strconv.Atoi(m[2])
			column, _ := strconv.Atoi(m[3])
			names, first := f.blank(line, column)
			if names == "" || strings.HasPrefix(filepath.Base(name), "aaa_") {
				return nil, fmt.Errorf("the compiler complains about what is not Go's: %s\n%w", m[0], err)
			}
			if first {
				drops = append(drops, drop{pkg + "/" + filepath.Base(name), names, m[4]})
			}
		}
		if len(files) == 0 {
			return nil, err
		}
		for name, f := range files {
			if err := os.WriteFile(name, f.text, 0o644); err != nil {
				return nil, err
			}
		}
	}
	return nil, errors.New("it still does not compile, after 50 rounds")
}

// A source is a file that declarations are taken out of.
type source struct {
	set  *token.FileSet
	tree *ast.File
	text []byte
	gone map[ast.Node]bool
}

func parseSource(name string) (*source, error) {
	text, err := os.ReadFile(name)
	if err != nil {
		return nil, err
	}
	s := &source{set: token.NewFileSet(), text: text, gone: map[ast.Node]bool{}}
	s.tree, err = parser.ParseFile(s.set, name, text, parser.SkipObjectResolution)
	return s, err
}

// blank puts spaces in the place of the declaration at a place, and returns what it declares and
// whether it was there still.
func (s *source) blank(line, column int) (declares string, first bool) {
	pos := s.set.File(s.tree.Pos()).LineStart(line) + token.Pos(column-1)
	within := func(n ast.Node) bool { return n.Pos() <= pos && pos < n.End() }
	for _, d := range s.tree.Decls {
		if !within(d) {
			continue
		}
		var what ast.Node = d
		declares = describe(d)
		if group, ok := d.(*ast.GenDecl); ok && group.Lparen.IsValid() {
			i := slices.IndexFunc(group.Specs, func(spec ast.Spec) bool { return within(spec) })
			if i < 0 {
				return "", false
			}
			what = group.Specs[i]
			declares = describe(&ast.GenDecl{Tok: group.Tok, Specs: group.Specs[i : i+1]})
		}
		if s.gone[what] {
			return declares, false
		}
		s.gone[what] = true
		for i := s.set.Position(what.Pos()).Offset; i < s.set.Position(what.End()).Offset; i++ {
			if s.text[i] != '\n' {
				s.text[i] = ' '
			}
		}
		return declares, true
	}
	return "", false
}

// describe names what a declaration declares.
func describe(d ast.Decl) string {
	switch d := d.(type) {
	case *ast.FuncDecl:
		if d.Recv != nil {
			return "method " + d.Name.Name
		}
	case *ast.GenDecl:
		if d.Tok == token.IMPORT {
			return "import " + d.Specs[0].(*ast.ImportSpec).Path.Value
		}
	}
	return strings.Join(names(d), ", ")
}
