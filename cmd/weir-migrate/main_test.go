package main

import (
	"bytes"
	"go/importer"
	"go/parser"
	"go/token"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// module writes files, and a go.mod, to a directory of their own.
func module(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	if files["go.mod"] == "" {
		files["go.mod"] = "module example.com/m\n"
	}
	for name, text := range files {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o777); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o640); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func read(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// TestRewrite: one file before and after, with the arguments that make the difference.
func TestRewrite(t *testing.T) {
	for name, c := range map[string]struct {
		args          []string
		before, after string
	}{
		"net goes": {nil, `package p

import "net"

func f() { net.Dial("tcp", "a") } // net.Dial stays in comments
`, `package p

import "github.com/weirgo/weir/aio"

func f() { aio.Dial("tcp", "a") } // net.Dial stays in comments
`},
		"net stays": {nil, `package p

import (
	"errors"
	"net"
)

func f(c net.Conn) bool {
	ln, err := net.Listen("tcp", "net.Listen")
	_ = ln
	return errors.Is(err, net.ErrClosed)
}
`, `package p

import (
	"errors"
	"net"

	"github.com/weirgo/weir/aio"
)

func f(c net.Conn) bool {
	ln, err := aio.Listen("tcp", "net.Listen")
	_ = ln
	return errors.Is(err, net.ErrClosed)
}
`},
		"beside other modules": {nil, `package p

import (
	"os" // for files

	"golang.org/x/sys/unix"
)

var F, _ = os.Open(unix.Name)
`, `package p

import (
	"github.com/weirgo/weir/aio"
	"golang.org/x/sys/unix"
)

var F, _ = aio.Open(unix.Name)
`},
		"alias": {nil, `package p

import network "net"

type T struct{ *network.TCPConn }

var d = &network.Dialer{Timeout: 1}
var a network.Addr
`, `package p

import "github.com/weirgo/weir/aio"
import network "net"

type T struct{ *aio.TCPConn }

var d = &aio.Dialer{Timeout: 1}
var a network.Addr
`},
		"imported twice": {nil, `package p

import (
	"net"
	n2 "net"
)

var a, _ = net.Dial("tcp", "a")
var b, _ = n2.Dial("tcp", "b")
var c n2.Addr
`, `package p

import (
	n2 "net"

	"github.com/weirgo/weir/aio"
)

var a, _ = aio.Dial("tcp", "a")
var b, _ = aio.Dial("tcp", "b")
var c n2.Addr
`},
		"for its own sake": {nil, `package p

import _ "net"
import "net"

var a, _ = net.Dial("tcp", "a")
`, `package p

import _ "net"
import "github.com/weirgo/weir/aio"

var a, _ = aio.Dial("tcp", "a")
`},
		"aio is there": {nil, `package p

import (
	"net"

	weir "github.com/weirgo/weir/aio"
)

var a, _ = net.Dial("tcp", "a")
var b = weir.Default()
`, `package p

import (
	weir "github.com/weirgo/weir/aio"
)

var a, _ = weir.Dial("tcp", "a")
var b = weir.Default()
`},
		"aio is another": {nil, `package p

import "net"

func f(aio int) { net.Dial("tcp", "a") }
`, `package p

import weiraio "github.com/weirgo/weir/aio"

func f(aio int) { weiraio.Dial("tcp", "a") }
`},
		"a variable called net": {nil, `package p

import "net"

func f(a net.Addr) {
	var net struct{ Dial func() }
	net.Dial()
}
`, ``},
		"switches on types": {nil, `package p

import (
	"net"
	"os"
)

func f(x any) {
	switch x := x.(type) {
	case *net.TCPConn, *net.UnixConn:
		_ = x.(*net.TCPConn)
	case *os.File:
	case net.Conn:
	}
}
`, `package p

import (
	"net"

	"github.com/weirgo/weir/aio"
)

func f(x any) {
	switch x := x.(type) {
	case *aio.TCPConn, *aio.UnixConn:
		_ = x.(*aio.TCPConn)
	case *aio.File:
	case net.Conn:
	}
}
`},
		"sockets alone": {[]string{"-what", "sockets"}, `package p

import (
	"net"
	"os"
)

var a, _ = net.Dial("tcp", os.Args[0])
var b, _ = os.Open("b")
`, `package p

import (
	"os"

	"github.com/weirgo/weir/aio"
)

var a, _ = aio.Dial("tcp", os.Args[0])
var b, _ = os.Open("b")
`},
		"names": {[]string{"-what", "names"}, `package p

import "os"

var a, b = os.Stat("b")
`, `package p

import "github.com/weirgo/weir/aio"

var a, b = aio.Stat("b")
`},
		"cgo": {nil, `package p

// #include <errno.h>
import "C"
import "net"

var a, _ = net.Dial("tcp", "a")
var b C.int
`, `package p

// #include <errno.h>
import "C"
import "github.com/weirgo/weir/aio"

var a, _ = aio.Dial("tcp", "a")
var b C.int
`},
		"cgo last": {nil, `package p

import "net"

// #include <errno.h>
import "C"

var a, _ = net.Dial("tcp", "a")
var b C.int
`, `package p

import "github.com/weirgo/weir/aio"

// #include <errno.h>
import "C"

var a, _ = aio.Dial("tcp", "a")
var b C.int
`},
	} {
		t.Run(name, func(t *testing.T) {
			if c.after == "" {
				c.after = c.before
			}
			dir := module(t, map[string]string{"p.go": c.before})
			var out bytes.Buffer
			if err := run(append(c.args, dir), &out); err != nil {
				t.Fatal(err)
			}
			path := filepath.Join(dir, "p.go")
			if got := read(t, path); got != c.before {
				t.Errorf("without -w the file was written:\n%s", got)
			}
			if err := run(append([]string{"-w"}, append(c.args, dir)...), &out); err != nil {
				t.Fatal(err)
			}
			if got := read(t, path); got != c.after {
				t.Errorf("got\n%s\nwant\n%s", got, c.after)
			}
			if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o640 {
				t.Errorf("the mode is %v, %v", info.Mode(), err)
			}
			if err := run(append([]string{"-w"}, append(c.args, dir)...), &out); err != nil {
				t.Fatal(err)
			}
			if got := read(t, path); got != c.after {
				t.Errorf("the second time it makes\n%s", got)
			}
		})
	}
}

// TestNothingIsWritten: one file that cannot be rewritten keeps all of them as they are.
func TestNothingIsWritten(t *testing.T) {
	const good = "package p\n\nimport \"net\"\n\nvar a, _ = net.Dial(\"tcp\", \"a\")\n"
	for name, c := range map[string]struct{ bad, want string }{
		"no Go":   {"package p\n\nfunc {\n", "z.go:3"},
		"dot":     {"package p\n\nimport . \"net\"\n\nvar b, _ = Dial(\"tcp\", \"a\")\n", "with a dot"},
		"doubled": {doubled, "line 11: the switch would have the case *aio.TCPConn twice"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := module(t, map[string]string{"a.go": good, "sub/z.go": c.bad})
			err := run([]string{"-w", dir}, &bytes.Buffer{})
			says := func(text string) bool { return err != nil && strings.Contains(err.Error(), text) }
			if !says(c.want) || !says("nothing was written") {
				t.Errorf("the error is %v, want one with %q", err, c.want)
			}
			if got := read(t, filepath.Join(dir, "a.go")); got != good {
				t.Errorf("a.go was written:\n%s", got)
			}
		})
	}
}

const doubled = `package p

import (
	"net"
	"github.com/weirgo/weir/aio"
)

func f(x any) {
	switch x.(type) {
	case *net.TCPConn:
	case *aio.TCPConn:
	}
}
`

// TestModule: directories and names that are another package's business.
func TestModule(t *testing.T) {
	const text = "package p\n\nimport \"net\"\n\nvar a, _ = net.Dial(\"tcp\", \"a\")\n"
	left := []string{"vendor/v/v.go", "testdata/t.go", "_old/o.go", ".hidden/h.go", "nested/n.go", "_x.go"}
	files := map[string]string{
		"a.go": text, "a_windows.go": text, "a_test.go": text,
		"nested/go.mod":  "module example.com/m/nested\n",
		"taken/names.go": "package p\n\nvar aio = 1\n", "taken/p.go": text,
		"hint/h.go": "package p\n\nimport \"net/http\"\n\nfunc f() { http.ListenAndServe(\":80\", nil) }\n",
	}
	for _, name := range left {
		files[name] = text
	}
	dir := module(t, files)
	var out bytes.Buffer
	if err := run([]string{"-w", dir}, &out); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"a.go", "a_windows.go", "a_test.go"} {
		if got := read(t, filepath.Join(dir, name)); !strings.Contains(got, "aio.Dial") {
			t.Errorf("%s was left:\n%s", name, got)
		}
	}
	for _, name := range left {
		if got := read(t, filepath.Join(dir, name)); got != text {
			t.Errorf("%s was rewritten:\n%s", name, got)
		}
	}
	if got := read(t, filepath.Join(dir, "taken", "p.go")); !strings.Contains(got, "weiraio.Dial") {
		t.Errorf("another file of the package has a variable aio:\n%s", got)
	}
	for _, want := range []string{"4 files rewritten", "h.go:5: net/http.ListenAndServe is of package net"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("it says\n%s\nwithout %q", out.String(), want)
		}
	}
	err := run([]string{"-what", "nets", dir}, &out)
	if err == nil || !strings.Contains(err.Error(), "there are sockets") {
		t.Errorf("-what nets: %v", err)
	}
}

// TestTable compares the table with what net, os and aio export: every function and type that is in
// one of the two and in aio has a row, and every row's name is in both.
func TestTable(t *testing.T) {
	if testing.Short() {
		t.Skip("it type-checks package net")
	}
	own := exported(t, "../../aio")
	std := importer.ForCompiler(token.NewFileSet(), "source", nil)
	for _, path := range []string{"net", "os"} {
		pkg, err := std.Import(path)
		if err != nil {
			t.Skip(err)
		}
		var rows []string
		for _, group := range groups {
			rows = append(rows, group[path]...)
		}
		for _, name := range rows {
			if !own[name] || pkg.Scope().Lookup(name) == nil {
				t.Errorf("%s.%s is in the table, and not in both packages", path, name)
			}
		}
		for _, name := range pkg.Scope().Names() {
			if own[name] && !slices.Contains(rows, name) && !slices.Contains(others, path+"."+name) {
				t.Errorf("aio has %s, as %s does: put it into the table", name, path)
			}
		}
	}
}

// others have a name of net's or os's and are something else.
var others = []string{"net.Buffers", "net.Pipe"}

// exported are the names that a package declares for its users, on any system.
func exported(t *testing.T, dir string) map[string]bool {
	t.Helper()
	set := token.NewFileSet()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	names := make(map[string]bool)
	for _, e := range entries {
		if filepath.Ext(e.Name()) != ".go" || strings.HasSuffix(e.Name(), "_test.go") {
			continue
		}
		f, err := parser.ParseFile(set, filepath.Join(dir, e.Name()), nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		for name := range f.Scope.Objects {
			names[name] = token.IsExported(name)
		}
	}
	return names
}

// TestProgram: a program on net and os builds and runs after it was rewritten.
func TestProgram(t *testing.T) {
	if testing.Short() {
		t.Skip("it builds a program")
	}
	root, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	sum := read(t, filepath.Join(root, "go.sum"))
	dir := module(t, map[string]string{
		"go.mod": "module example.com/m\n\ngo 1.25.0\n\nrequire github.com/weirgo/weir v0.0.0\n\n" +
			"replace github.com/weirgo/weir => " + root + "\n",
		"go.sum":  sum,
		"main.go": program,
	})
	if err := run([]string{"-w", dir}, &bytes.Buffer{}); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("go", "run", "-mod=mod", ".")
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "GOPROXY=off", "GOFLAGS=", "GOWORK=off", "GOTOOLCHAIN=local")
	out, err := cmd.CombinedOutput()
	if err != nil && strings.Contains(string(out), "GOPROXY=off") {
		t.Skipf("the module cache does not have what the program needs: %s", out)
	}
	if err != nil || string(out) != "hello *aio.TCPConn\n" {
		t.Errorf("%v\n%s\n%s", err, out, read(t, filepath.Join(dir, "main.go")))
	}
}

const program = `package main

import (
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
)

func main() {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	name := filepath.Join(os.TempDir(), fmt.Sprint("weir-migrate-", os.Getpid()))
	if err := os.WriteFile(name, []byte("hello"), 0o600); err != nil {
		panic(err)
	}
	defer os.Remove(name)
	go func() {
		conn, err := ln.Accept()
		if err != nil {
			panic(err)
		}
		var f *os.File
		if f, err = os.Open(name); err != nil {
			panic(err)
		}
		defer f.Close()
		io.Copy(conn, f)
		conn.Close()
	}()
	conn, err := net.Dial("tcp", ln.Addr().String())
	if err != nil {
		panic(err)
	}
	text, err := io.ReadAll(conn)
	if err != nil {
		panic(err)
	}
	switch c := conn.(type) {
	case *net.TCPConn:
		fmt.Printf("%s %T\n", text, c)
	}
}
`
