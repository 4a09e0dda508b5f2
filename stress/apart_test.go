package main

import (
	"os/exec"
	"runtime"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// TestApart: a server, the load and the rest of this process have the processors that they should
// have, and after it all.
func TestApart(t *testing.T) {
	var all unix.CPUSet
	if err := unix.SchedGetaffinity(0, &all); err != nil {
		t.Fatal(err)
	}
	on, err := apart()
	if all.Count() < 2 {
		if err != errOneCPU {
			t.Fatal(err)
		}
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	child := func(start func(*exec.Cmd) error) string {
		t.Helper()
		var out strings.Builder
		cmd := exec.Command("sed", "-n", "s/^Cpus_allowed:\t//p", "/proc/self/status")
		cmd.Stdout = &out
		if err := start(cmd); err != nil {
			t.Fatal(err)
		}
		if err := cmd.Wait(); err != nil {
			t.Fatal(err)
		}
		return out.String()
	}
	whole, server, load := child((*exec.Cmd).Start), child(on.startServer), child(on.startLoad)
	if server == load || server == whole || load == whole {
		t.Errorf("of %q the server has %q, the load %q", whole, server, load)
	}
	if got := child((*cpus)(nil).startServer); got != whole {
		t.Errorf("together the server has %q of %q", got, whole)
	}
	if n := on.threads(); n != min(all.Count()-1, 2) || (*cpus)(nil).threads() != 2 {
		t.Errorf("%d threads for %d CPUs, together %d", n, all.Count(), (*cpus)(nil).threads())
	}
	procs := runtime.GOMAXPROCS(0)
	undo, err := on.beLoad()
	if err != nil {
		t.Fatal(err)
	}
	if got := child((*exec.Cmd).Start); got != load || runtime.GOMAXPROCS(0) != on.load.Count() {
		t.Errorf("as load this process has %q and GOMAXPROCS %d, want %q and %d", got, runtime.GOMAXPROCS(0), load,
			on.load.Count())
	}
	if err := undo(); err != nil {
		t.Fatal(err)
	}
	if got := child((*exec.Cmd).Start); got != whole || runtime.GOMAXPROCS(0) != procs {
		t.Errorf("after it this process has %q and GOMAXPROCS %d, want %q and %d", got, runtime.GOMAXPROCS(0), whole,
			procs)
	}
}
