package main

import (
	"errors"
	"os"
	"os/exec"
	"runtime"
	"strconv"

	"golang.org/x/sys/unix"
)

// cpus says which processors a server has for itself, and which the load: so neither takes what the
// other's figures count. Nil: both may use all.
type cpus struct{ all, server, load unix.CPUSet }

// String is part of how a workload describes itself.
func (c *cpus) String() string {
	if c == nil {
		return "which shares all CPUs with the load"
	}
	return "which has a CPU for itself"
}

var errOneCPU = errors.New("there is only one CPU")

// apart gives a server the first of the processors that this process may use.
func apart() (*cpus, error) {
	c := new(cpus)
	if err := unix.SchedGetaffinity(0, &c.all); err != nil {
		return nil, os.NewSyscallError("sched_getaffinity", err)
	}
	c.load = c.all
	if c.load.Count() < 2 {
		return nil, errOneCPU
	}
	first := 0
	for !c.load.IsSet(first) {
		first++
	}
	c.load.Clear(first)
	c.server.Set(first)
	return c, nil
}

// startServer starts a command on the server's processors.
func (c *cpus) startServer(cmd *exec.Cmd) error {
	if c == nil {
		return cmd.Start()
	}
	return startOn(&c.server, cmd)
}

// startLoad starts a command on those of the load.
func (c *cpus) startLoad(cmd *exec.Cmd) error {
	if c == nil {
		return cmd.Start()
	}
	return startOn(&c.load, cmd)
}

// startOn starts a command on some processors: those of the thread that starts it.
func startOn(set *unix.CPUSet, cmd *exec.Cmd) error {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	var before unix.CPUSet
	if err := unix.SchedGetaffinity(0, &before); err != nil {
		return os.NewSyscallError("sched_getaffinity", err)
	}
	if err := unix.SchedSetaffinity(0, set); err != nil {
		return os.NewSyscallError("sched_setaffinity", err)
	}
	defer unix.SchedSetaffinity(0, &before)
	return cmd.Start()
}

// beLoad has this process use the processors of the load, until undo is called.
func (c *cpus) beLoad() (undo func() error, err error) {
	if c == nil {
		return func() error { return nil }, nil
	}
	procs := runtime.GOMAXPROCS(c.load.Count())
	undo = func() error {
		runtime.GOMAXPROCS(procs)
		return moveThreads(&c.all)
	}
	if err := moveThreads(&c.load); err != nil {
		return nil, errors.Join(err, undo())
	}
	return undo, nil
}

// threads is how many threads a load that is another program should have: two are enough for a
// server, if each has a processor.
func (c *cpus) threads() int {
	if c == nil {
		return 2
	}
	return min(c.load.Count(), 2)
}

// moveThreads moves all threads of this process; those that come later stay with the thread that
// makes them.
func moveThreads(set *unix.CPUSet) error {
	tasks, err := os.ReadDir("/proc/self/task")
	if err != nil {
		return err
	}
	for _, t := range tasks {
		id, err := strconv.Atoi(t.Name())
		if err != nil {
			return err
		}
		if err := unix.SchedSetaffinity(id, set); err != nil && err != unix.ESRCH { // it has ended
			return os.NewSyscallError("sched_setaffinity", err)
		}
	}
	return nil
}
