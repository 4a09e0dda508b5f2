// Confine runs a program in a poorer world than the machine offers: system calls that fail and
// resources that are short, as in containers.
//
//	confine -deny io_uring_setup=EPERM -limit nofile=64 -- program arguments
//
// Both flags may be given more than once. The limits hold for the program and what it starts; a
// program that runs as root loses its rights to exceed them with -user.
package main

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/weirgo/weir/internal/sys/systest"
)

var calls = map[string]uintptr{
	"io_uring_setup":    unix.SYS_IO_URING_SETUP,
	"io_uring_enter":    unix.SYS_IO_URING_ENTER,
	"io_uring_register": unix.SYS_IO_URING_REGISTER,
	"epoll_pwait2":      unix.SYS_EPOLL_PWAIT2,
	"preadv2":           unix.SYS_PREADV2,
	"pwritev2":          unix.SYS_PWRITEV2,
	"eventfd2":          unix.SYS_EVENTFD2,
	"timerfd_create":    unix.SYS_TIMERFD_CREATE,
	"statx":             unix.SYS_STATX,
	"pidfd_open":        unix.SYS_PIDFD_OPEN,
	"close_range":       unix.SYS_CLOSE_RANGE,
}

var limits = map[string]int{
	"nofile":  unix.RLIMIT_NOFILE,
	"nproc":   unix.RLIMIT_NPROC,
	"memlock": unix.RLIMIT_MEMLOCK,
}

var errnos = []syscall.Errno{
	unix.EPERM, unix.ENOSYS, unix.EACCES, unix.EINVAL, unix.ENOMEM, unix.EMFILE, unix.ENFILE,
}

func main() {
	var rules []systest.Rule
	flag.Func("deny", "`call=ERRNO`: the system call fails with this", func(s string) error {
		name, errname, _ := strings.Cut(s, "=")
		call, ok := calls[name]
		if !ok {
			return fmt.Errorf("unknown system call %q", name)
		}
		for _, errno := range errnos {
			if unix.ErrnoName(errno) == errname {
				rules = append(rules, systest.Rule{Call: call, Errno: errno})
				return nil
			}
		}
		return fmt.Errorf("unknown error %q", errname)
	})
	flag.Func("limit", "`resource=n`: setrlimit(2), soft and hard", func(s string) error {
		name, value, _ := strings.Cut(s, "=")
		which, ok := limits[name]
		if !ok {
			return fmt.Errorf("unknown resource %q", name)
		}
		n, err := strconv.ParseUint(value, 10, 64)
		if err != nil {
			return err
		}
		return unix.Setrlimit(which, &unix.Rlimit{Cur: n, Max: n})
	})
	user := flag.Int("user", 0, "run as this `uid`, without a root user's rights")
	flag.Parse()
	if err := run(flag.Args(), rules, *user); err != nil {
		fmt.Fprintln(os.Stderr, "confine:", err)
		os.Exit(2)
	}
}

func run(command []string, rules []systest.Rule, user int) error {
	if len(command) == 0 {
		return errors.New("no program to run")
	}
	path, err := exec.LookPath(command[0])
	if err != nil {
		return err
	}
	if user != 0 {
		if err := errors.Join(syscall.Setgroups(nil), syscall.Setgid(user), syscall.Setuid(user)); err != nil {
			return err
		}
	}
	if len(rules) > 0 {
		if err := systest.Confine(rules...); err != nil {
			return fmt.Errorf("seccomp: %w", err)
		}
	}
	return syscall.Exec(path, command, os.Environ())
}
