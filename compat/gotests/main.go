// Gotests runs the tests that Go's distribution has for its packages on weir, beside the same tests
// on these packages.
//
//	go -C compat/gotests run . [flags] [suite...]
//
// The suites net and os are copies of these packages' test files, made at run time from GOROOT, in
// packages whose names are aio's where aio has them and net's or os's otherwise. What wants names
// that the packages do not export does not compile and is left out. The other suites (net/http and
// those around it) run as they are, on a package net that takes its streams from weir.
//
// A test that fares worse on weir than on the standard library is an error, unless known.txt has a
// line for it, with the reason; so is a line of known.txt whose test does not fail. The files
// patches.go and testdata say what is said otherwise in the copies, and what stands for what only
// the packages themselves have.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/weirgo/weir/aio"
)

var (
	long    = flag.Bool("long", false, "run the tests without -short, on all modes, with all suites")
	race    = flag.Bool("race", false, "build with the race detector")
	match   = flag.String("run", ".", "run only the tests that match")
	modeSet = flag.String("modes", "", "run on these modes only, separated by commas")
	sides   = flag.String("sides", "both", "whose streams are weir's where packages are tested in place: client, "+
		"server or both")
	keep    = flag.String("keep", "", "make everything in this new directory, and leave it there")
	silence = flag.Duration("silence", time.Minute, "a test binary that says nothing for so long hangs")
)

// buildEnv is for what builds in the tree.
func buildEnv() []string {
	if *race {
		return []string{"CGO_ENABLED=1", "GOFLAGS=-mod=mod -race"}
	}
	return []string{"CGO_ENABLED=0", "GOFLAGS=-mod=mod"}
}

// A mode is what the tests run on.
type mode struct {
	name string
	bin  string // std, aio, or tag, which is aio as it is on other systems
	env  []string
}

// modes are all there are; the first is what the others are compared with.
func modes() []mode {
	list := []mode{{"std", "std", nil}}
	for _, backend := range []string{"io_uring", "epoll", "portable"} {
		for _, drive := range []string{"auto", "thread", "scheduler"} {
			list = append(list, mode{backend + "/" + drive, "aio", []string{"WEIR_BACKEND=" + backend,
				"WEIR_DRIVE=" + drive}})
		}
	}
	return append(list, mode{"weir_portable", "tag", nil})
}

// available says why a mode cannot be had here.
func available(m mode) error {
	if m.bin != "aio" {
		return nil
	}
	backend, drive, _ := strings.Cut(m.name, "/")
	lib, err := aio.New(aio.Options{Backend: backend, Drive: drive})
	if err != nil {
		return err
	}
	return lib.Close()
}

func main() {
	flag.Parse()
	if err := gotests(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func gotests() error {
	if runtime.GOOS != "linux" {
		fmt.Println("nothing is run: the stand-ins are for Linux")
		return nil
	}
	if !strings.HasPrefix(runtime.Version()+".", patchesAreFor+".") {
		fmt.Printf("nothing is run: the stand-ins are for the tests of %s, and this is %s\n", patchesAreFor,
			runtime.Version())
		return nil
	}
	list, err := parseKnown(knownText)
	if err != nil {
		return err
	}
	dir := *keep
	if dir == "" {
		if dir, err = os.MkdirTemp("", "gotests"); err != nil {
			return err
		}
		defer os.RemoveAll(dir)
	}
	if dir, err = filepath.Abs(dir); err != nil {
		return err
	}
	weir, err := filepath.Abs(filepath.Join("..", ".."))
	if err != nil {
		return err
	}
	t, err := newTree(dir, weir)
	if err != nil {
		return err
	}
	var on []mode
	for _, m := range modes() {
		if *modeSet != "" && m.name != "std" && !slices.Contains(strings.Split(*modeSet, ","), m.name) {
			continue
		}
		if err := available(m); err != nil {
			fmt.Printf("%s is not run: %v\n", m.name, err)
			continue
		}
		on = append(on, m)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	s := session{ctx: ctx, tree: t, modes: on, known: list}
	if err := s.all(flag.Args()); err != nil {
		return err
	}
	return s.verdict()
}
