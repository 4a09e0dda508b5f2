package main

import (
	"context"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// TestMain is a test binary with a script, if it runs as one.
func TestMain(m *testing.M) {
	if os.Getenv("GOTESTS_SCRIPT") == "" {
		os.Exit(m.Run())
	}
	if os.Args[1] == "-test.list" {
		fmt.Println("TestGood\nTestBad\nTestCrash\nTestHang\nTestLast\nBenchmarkX")
		return
	}
	for _, test := range []string{"TestGood", "TestBad", "TestCrash", "TestHang", "TestLast"} {
		if !strings.Contains(os.Args[3], test) {
			continue
		}
		fmt.Println("=== RUN  ", test)
		switch test {
		case "TestBad":
			fmt.Println("=== RUN   TestBad/sub")
			fmt.Println("--- FAIL: TestBad (0.00s)\n    --- FAIL: TestBad/sub (0.00s)")
			continue
		case "TestCrash":
			os.Exit(2)
		case "TestHang":
			time.Sleep(time.Hour)
		}
		fmt.Printf("--- PASS: %s (0.00s)\n", test)
	}
}

func script(t *testing.T) *runner {
	return &runner{
		ctx: t.Context(), bin: os.Args[0], dir: t.TempDir(), env: []string{"GOTESTS_SCRIPT=1"}, silence: time.Second,
		log: io.Discard,
	}
}

// Every test has its turn, whatever becomes of those before it.
func TestRunner(t *testing.T) {
	r := script(t)
	tests, err := r.list(".", "Good")
	if want := []string{"TestBad", "TestCrash", "TestHang", "TestLast"}; err != nil || !slices.Equal(tests, want) {
		t.Fatalf("list: %v, %v", tests, err)
	}
	res, err := r.run(append(tests, "TestGood"))
	want := results{"TestGood": pass, "TestBad": fail, "TestBad/sub": fail, "TestCrash": crash, "TestHang": hang,
		"TestLast": pass}
	if err != nil || !maps.Equal(res, want) {
		t.Errorf("%v, %v, and it should be %v", res, err, want)
	}
	if _, err := r.run([]string{"TestNone"}); err == nil {
		t.Error("a test that does not run is no error")
	}
	ctx, cancel := context.WithCancel(t.Context())
	r.ctx, r.silence = ctx, time.Hour
	time.AfterFunc(100*time.Millisecond, cancel)
	if _, err := r.run([]string{"TestHang"}); err != context.Canceled {
		t.Errorf("a run whose context ends: %v", err)
	}
}

func TestDifferences(t *testing.T) {
	std := results{"A": pass, "B": fail, "B/x": fail, "C": skip, "D": pass, "D/x": pass, "E": pass, "F": pass,
		"G": hang}
	on := results{"A": pass, "B": fail, "B/x": fail, "B/y": fail, "C": fail, "D": fail, "D/x": fail, "D/new": skip,
		"E": skip, "F": dropped, "G": crash}
	if got, want := differences(on, std), []string{"C", "D/x", "E", "F"}; !slices.Equal(got, want) {
		t.Errorf("%v, and it should be %v", got, want)
	}
}

func TestKnown(t *testing.T) {
	list, err := parseKnown("# suite test where why\n\nnet TestA * for a reason\nnet TestB epoll why\nos TestC " +
		"epoll/auto why\n")
	if err != nil || len(list) != 3 || list[0].why != "for a reason" || list[2].line != 5 {
		t.Fatalf("%v, %v", list, err)
	}
	for _, c := range []struct {
		suite, mode, test string
		known             bool
	}{
		{"net", "epoll/auto", "TestA", true},
		{"os", "epoll/auto", "TestA", false},
		{"net", "epoll/auto", "TestB", true},
		{"net", "io_uring/auto", "TestB", false},
		{"os", "epoll/auto", "TestC", true},
		{"os", "epoll/thread", "TestC", false},
	} {
		if got := findKnown(list, c.suite, c.mode, c.test) != nil; got != c.known {
			t.Errorf("%v: %v", c, got)
		}
	}
	if _, err := parseKnown("net TestA *\n"); err == nil {
		t.Error("a line without a reason is no error")
	}
	if _, err := parseKnown(knownText); err != nil {
		t.Error(err)
	}
}

// What fails is a problem unless known.txt has it, and so is what known.txt has and does not fail.
func TestJudge(t *testing.T) {
	std := results{"TestGood": pass, "TestBad": pass, "TestBad/sub": pass}
	for _, c := range []struct {
		known string
		res   results
		want  []string
	}{
		{"", results{"TestGood": pass}, nil},
		{"", results{"TestBad": fail, "TestBad/sub": fail}, []string{"TestBad/sub on epoll/auto: FAIL, on the " +
			"standard library PASS"}},
		{"", results{"TestBad": dropped}, []string{"TestBad on epoll/auto: DROPPED"}},
		{"", results{"TestGood": fail}, nil}, // once, and then it passes twice
		{"net TestBad/sub epoll why", results{"TestBad": fail, "TestBad/sub": fail}, nil},
		{"net TestGood epoll why", results{"TestGood": pass}, []string{"should not be about that",
			"does not fail on any mode"}},
		{"net TestBad portable why", results{"TestGood": pass}, nil},
	} {
		list, err := parseKnown(c.known)
		if err != nil {
			t.Fatal(err)
		}
		s := session{ctx: t.Context(), known: list}
		if err := s.judge("net", "epoll/auto", c.res, std, script(t)); err != nil {
			t.Fatal(err)
		}
		s.verdict()
		if !slices.EqualFunc(s.problems, c.want, strings.Contains) {
			t.Errorf("%q, %v: %q, and it should be %q", c.known, c.res, s.problems, c.want)
		}
	}
}

func TestBlank(t *testing.T) {
	name := filepath.Join(t.TempDir(), "x.go")
	const before = "package p\n\nvar (\n\ta = 1\n\tb = 2\n)\n\nfunc (t T) f() {\n\tg()\n}\n"
	if err := os.WriteFile(name, []byte(before), 0o644); err != nil {
		t.Fatal(err)
	}
	s, err := parseSource(name)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		line, column int
		names        string
		first        bool
	}{{5, 6, "b", true}, {5, 6, "b", false}, {9, 2, "method f", true}, {2, 1, "", false}} {
		if names, first := s.blank(c.line, c.column); names != c.names || first != c.first {
			t.Errorf("%d:%d: %q, %v", c.line, c.column, names, first)
		}
	}
	if got, want := strings.Join(strings.Fields(string(s.text)), " "), "package p var ( a = 1 )"; got != want {
		t.Errorf("%q is left", got)
	}
	if strings.Count(string(s.text), "\n") != strings.Count(before, "\n") {
		t.Error("lines have other numbers")
	}
}

// The names that are aio's are those of everything that opens files or sockets.
func TestAliases(t *testing.T) {
	e, err := loadExports(".")
	if err != nil {
		t.Fatal(err)
	}
	for pkg, want := range map[string][]string{
		"net": {"Dial", "Dialer", "Listen", "ListenConfig", "TCPConn", "TCPListener", "UDPConn", "UnixConn", "IPConn",
			"FileConn", "ListenUDP"},
		"os": {"File", "Open", "OpenFile", "Create", "ReadFile", "NewFile", "Pipe", "Rename"},
	} {
		_, got, err := e.aliases(pkg, sideAio, nil)
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range want {
			if !slices.Contains(got, name) {
				t.Errorf("%s.%s is not aio's", pkg, name)
			}
		}
		for _, name := range []string{"Buffers", "Resolver", "Process", "ErrClosed"} {
			if slices.Contains(got, name) {
				t.Errorf("%s.%s is aio's", pkg, name)
			}
		}
		if _, got, err := e.aliases(pkg, sideStd, nil); err != nil || got != nil {
			t.Errorf("%s on the side of the standard library: %v, %v", pkg, got, err)
		}
	}
}
