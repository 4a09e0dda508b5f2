package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// A suite is the tests of one package.
type suite struct {
	pkg   string
	least int      // so many tests must be left of those that there are
	skip  string   // tests that are not run, on the standard library neither
	slow  string   // tests and subtests that are not run in short runs
	short []string // the modes of short runs; without any it is for long runs only
}

var (
	everywhere = []string{"io_uring", "epoll", "portable", "weir_portable"}
	onAuto     = []string{"io_uring/auto", "epoll/auto", "portable/auto"}
)

// copied are tested by copies of their test files, inPlace with those themselves.
var (
	copied = []suite{
		{pkg: "net", least: 195, slow: "^TestSplice$/./^big$", short: everywhere}, // moves gigabytes
		{pkg: "os", least: 200, short: everywhere},
	}
	inPlace = []suite{
		{pkg: "net/http", least: 600, short: onAuto, skip: "TestTransportEventTraceRealDNS"},
		// asks the machine's name server
		{pkg: "net/http/cgi", least: 30},
		{pkg: "net/http/fcgi", least: 8},
		{pkg: "net/http/httptest", least: 10},
		{pkg: "net/http/httputil", least: 40},
		{pkg: "net/rpc", least: 10},
		{pkg: "net/rpc/jsonrpc", least: 8},
		{pkg: "net/smtp", least: 15},
		{pkg: "crypto/tls", least: 200},
		{pkg: "expvar", least: 10},
	}
)

// runs says whether a run of this length has a suite on a mode. Flags that name modes decide for
// themselves.
func (x suite) runs(m mode) bool {
	if *long || *modeSet != "" || m.bin == "std" {
		return true
	}
	return slices.ContainsFunc(x.short, func(where string) bool { return within(m.name, where) })
}

// A session is one run of suites on modes.
type session struct {
	ctx      context.Context
	tree     *tree
	modes    []mode
	known    []*known
	problems []string
}

func (s *session) problem(format string, args ...any) {
	s.problems = append(s.problems, fmt.Sprintf(format, args...))
	fmt.Println("PROBLEM", s.problems[len(s.problems)-1])
}

// verdict is an error if something is wrong.
func (s *session) verdict() error {
	for _, k := range s.known {
		if k.tried && !k.failed {
			s.problem("known.txt:%d: %s %s does not fail on any mode: delete the line", k.line, k.suite, k.test)
		}
	}
	if len(s.problems) > 0 {
		return fmt.Errorf("\n%d problems:\n%s", len(s.problems), strings.Join(s.problems, "\n"))
	}
	return nil
}

// all runs the suites that are named, or those that fit the run's length.
func (s *session) all(names []string) error {
	wanted := func(x suite) bool {
		if len(names) > 0 {
			return slices.Contains(names, x.pkg)
		}
		return *long || x.short != nil
	}
	for _, x := range copied {
		if wanted(x) {
			if err := s.copied(x); err != nil {
				return fmt.Errorf("%s: %w", x.pkg, err)
			}
		}
	}
	var pkgs []string
	for _, x := range inPlace {
		if wanted(x) {
			pkgs = append(pkgs, x.pkg)
		}
	}
	bins, err := s.tree.inPlace(pkgs)
	if err != nil {
		return err
	}
	for _, x := range inPlace {
		if wanted(x) {
			if err := s.inPlace(x, bins[x.pkg]); err != nil {
				return fmt.Errorf("%s: %w", x.pkg, err)
			}
		}
	}
	return nil
}

// copied builds and runs one of the suites that are copies.
func (s *session) copied(x suite) error {
	bins := map[string]string{}
	for _, of := range []side{sideStd, sideAio} {
		if err := s.tree.generate(of, x.pkg); err != nil {
			return err
		}
		bins[string(of)] = s.tree.bin(x.pkg, string(of))
		drops, err := s.tree.compile(of, x.pkg, bins[string(of)])
		if err != nil {
			return err
		}
		if err := s.tree.report(x.pkg, of, drops); err != nil {
			return err
		}
	}
	if slices.ContainsFunc(s.modes, func(m mode) bool { return m.bin == "tag" }) {
		bins["tag"] = s.tree.bin(x.pkg, "tag")
		if _, err := s.tree.compile(sideAio, x.pkg, bins["tag"], "-tags=weir_portable"); err != nil {
			return err
		}
	}
	return s.compare(x, func(m mode) (string, []string) { return bins[m.bin], m.env })
}

// inPlace runs one of the suites that are tested in place, whose binary is the same for all modes.
// It is not for mode weir_portable: there weir's connections are package net's, which would ask
// weir for them.
func (s *session) inPlace(x suite, bin string) error {
	return s.compare(x, func(m mode) (string, []string) {
		switch m.bin {
		case "std":
			return bin, m.env
		case "aio":
			return bin, append([]string{"GOTESTS_SIDES=" + *sides}, m.env...)
		}
		return "", nil
	})
}

// compare runs a suite on every mode and notes where it fares worse than on the first. by is the
// binary and the environment for a mode, if there are such.
func (s *session) compare(x suite, by func(mode) (string, []string)) error {
	dir, err := s.tree.workplace(x.pkg)
	if err != nil {
		return err
	}
	var std results
	for _, m := range s.modes {
		bin, env := by(m)
		if bin == "" || !x.runs(m) {
			continue
		}
		log, err := os.Create(filepath.Join(s.tree.dir, strings.ReplaceAll(x.pkg+"."+m.name, "/", ".")+".log"))
		if err != nil {
			return err
		}
		defer log.Close()
		r := &runner{ctx: s.ctx, bin: bin, dir: dir, env: env, silence: *silence, log: log}
		if !*long {
			r.flags = append(r.flags, "-test.short", "-test.skip="+x.slow)
		}
		tests, err := r.list(*match, x.skip)
		if err != nil {
			return err
		}
		start := time.Now()
		res, err := s.run(r, x.pkg, m.name, tests)
		if err != nil {
			return err
		}
		if std == nil {
			std = res
			if *match == "." && len(tests) < x.least {
				s.problem("%s: %d tests are left, and %d were", x.pkg, len(tests), x.least)
			}
		} else {
			for test := range std {
				if test == top(test) && res[test] == "" {
					res[test] = dropped
				}
			}
			if err := s.judge(x.pkg, m.name, res, std, r); err != nil {
				return err
			}
		}
		fmt.Printf("%-18s %-20s %s (%.0fs)\n", x.pkg, m.name, res.counts(), time.Since(start).Seconds())
	}
	return nil
}

// run runs tests in a mode, those that known.txt has lines for by themselves: they may hang, and
// are not waited for so long.
func (s *session) run(r *runner, pkg, mode string, tests []string) (results, error) {
	isKnown := func(test string) bool {
		return slices.ContainsFunc(s.known, func(k *known) bool { return k.covers(pkg, mode) && top(k.test) == test })
	}
	others := slices.DeleteFunc(slices.Clone(tests), isKnown)
	res, err := r.run(others)
	if err != nil {
		return nil, err
	}
	impatient := *r
	impatient.silence = min(r.silence, 3*time.Second)
	more, err := impatient.run(slices.DeleteFunc(tests, func(test string) bool { return !isKnown(test) }))
	maps.Copy(res, more)
	return res, err
}

// judge holds what a mode's tests came to against the standard library's, and against known.txt.
// What fails and should not has two more turns, alone: to fail once of three times is noted.
func (s *session) judge(pkg, mode string, res, std results, r *runner) error {
	for _, k := range s.known {
		if k.covers(pkg, mode) && res[k.test] != "" {
			k.tried = true
		}
	}
	var again []string
	bad := differences(res, std)
	for _, test := range bad {
		if k := findKnown(s.known, pkg, mode, test); k != nil {
			k.failed = true
		} else if res[test] != dropped && !slices.Contains(again, top(test)) {
			again = append(again, top(test))
		}
	}
	var second, third results
	if len(again) > 0 {
		var err1, err2 error
		second, err1 = r.run(again)
		third, err2 = r.run(again)
		if err := errors.Join(err1, err2); err != nil {
			return err
		}
	}
	for _, test := range bad {
		if findKnown(s.known, pkg, mode, test) != nil {
			continue
		}
		if res[test] != dropped && second[top(test)] == pass && third[top(test)] == pass {
			fmt.Printf("UNSTABLE %s %s on %s: %s once, and then passed twice\n", pkg, test, mode, res[test])
			continue
		}
		s.problem("%s %s on %s: %s, on the standard library %s", pkg, test, mode, res[test], std[test])
	}
	for _, k := range s.known {
		if k.covers(pkg, mode) && res[k.test] != "" && !slices.Contains(bad, k.test) {
			s.problem("known.txt:%d: %s %s is %s on %s: the line should not be about that", k.line, pkg, k.test,
				res[k.test], mode)
		}
	}
	return nil
}

// workplace is a directory to run the tests of a package in: a copy of its own, with what tests
// find around it.
func (t *tree) workplace(pkg string) (string, error) {
	first, _, _ := strings.Cut(pkg, "/")
	for _, name := range []string{first, "testdata"} {
		to := filepath.Join(t.dir, "src", name)
		if _, err := os.Stat(to); err == nil {
			continue
		}
		if err := copyDir(filepath.Join(goroot(), name), to); err != nil {
			return "", err
		}
	}
	return filepath.Join(t.dir, "src", pkg), nil
}

func (t *tree) bin(pkg, kind string) string { return filepath.Join(t.dir, pkg+"."+kind+".test") }

// report writes down what was left out of a suite, and says how many tests were.
func (t *tree) report(pkg string, of side, drops []drop) error {
	var b strings.Builder
	tests := 0
	for _, d := range drops {
		fmt.Fprintf(&b, "%s\t%s\t%s\n", d.file, d.names, d.why)
		if strings.HasPrefix(d.names, "Test") {
			tests++
		}
	}
	fmt.Printf("%-18s %d tests are left out on %s: they do not compile outside of package %s\n", pkg, tests, of, pkg)
	return write(filepath.Join(t.dir, pkg+"."+string(of)+".drops"), []byte(b.String()))
}
