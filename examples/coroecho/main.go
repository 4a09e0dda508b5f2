//go:build linux

// Command coroecho is an echo server of coroutines: one and a 4 KiB buffer for each connection,
// plain blocking code, all on the threads of the loops.
//
//	go run ./examples/coroecho [-backend NAME] [-drive auto|thread|scheduler]
//	    [-loops N] [-reuseport] [-spin TIME] [-stats] [ADDRESS or PORT]
//
// It serves until it is interrupted. Port 0 means any free one; the first line of output says
// which. With -drive thread or scheduler everything goes through the loops; with auto a coroutine
// sends by itself what can be sent at once. The loops accept from one listener, taking turns, or
// with -reuseport each has one of its own, and the kernel spreads the clients.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"os"
	"os/signal"
	"runtime"
	"slices"
	"strconv"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/weirgo/weir/aio"
	"github.com/weirgo/weir/coro"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	switch err := run(ctx, os.Args[1:], os.Stdout); {
	case errors.Is(err, flag.ErrHelp):
	case err != nil:
		fmt.Fprintln(os.Stderr, "coroecho:", err)
		os.Exit(1)
	}
}

// run serves until ctx ends, which is not an error.
func run(ctx context.Context, args []string, stdout io.Writer) error {
	var o aio.Options
	flags := flag.NewFlagSet("coroecho", flag.ContinueOnError)
	flags.StringVar(&o.Backend, "backend", "", "force this `backend` instead of WEIR_BACKEND, or else the first "+
		"that works")
	flags.StringVar(&o.Drive, "drive", "", "what goes through the loops: auto, thread or scheduler; empty: "+
		"WEIR_DRIVE, or else auto")
	flags.IntVar(&o.Loops, "loops", 0, "number of schedulers, each with a thread (0: from GOMAXPROCS)")
	reuse := flags.Bool("reuseport", false, "a listener for each scheduler, on the same port (SO_REUSEPORT)")
	spin := flags.Duration("spin", 40*time.Microsecond, "how long a thread without work looks for some before "+
		"it sleeps")
	stats := flags.Bool("stats", false, "print the counters at the end")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if flags.NArg() > 1 {
		return fmt.Errorf("one ADDRESS or PORT, not %q", flags.Args())
	}

	// A loop's thread gives its P up before it waits. If that is the only P, Go's runtime wakes
	// another thread for it each time, for nothing: everything here runs on loops.
	runtime.GOMAXPROCS(max(2, runtime.GOMAXPROCS(0)))

	weir, err := aio.New(o)
	if err != nil {
		return err
	}
	defer weir.Close()
	info := weir.Info()
	listeners, err := listen(weir, address(flags.Arg(0)), info.Loops, *reuse)
	defer closeAll(listeners)
	if err != nil {
		return err
	}
	defer context.AfterFunc(ctx, func() { closeAll(listeners) })()
	fmt.Fprintf(stdout, "echo on %v, backend %s (%s), drive %s, %d loops\n", listeners[0].Addr(), info.Backend,
		info.Reason, info.Drive, info.Loops)

	var schedulers []*coro.Scheduler
	for range info.Loops {
		s, err := coro.New(coro.Options{IO: weir, Spin: *spin})
		if err != nil {
			return errors.Join(err, end(schedulers))
		}
		schedulers = append(schedulers, s)
	}
	err = errors.Join(serve(listeners, schedulers), end(schedulers))
	if *stats {
		fmt.Fprintf(stdout, "%+v\n", weir.Stats())
		for _, s := range schedulers {
			fmt.Fprintf(stdout, "%+v\n", s.Stats())
		}
	}
	return err
}

// address is what the argument means: an address, a port of this host, or nothing.
func address(arg string) string {
	if arg == "" {
		arg = "7007"
	}
	if _, err := strconv.Atoi(arg); err == nil {
		return net.JoinHostPort("127.0.0.1", arg)
	}
	return arg
}

// listen returns a listener for each of n schedulers: the same one, or as many on one port.
func listen(weir *aio.IO, address string, n int, reuse bool) (all []net.Listener, err error) {
	if !reuse {
		ln, err := weir.Listen("tcp", address)
		if err != nil {
			return nil, err
		}
		return slices.Repeat([]net.Listener{ln}, n), nil
	}
	lc := aio.ListenConfig{IO: weir, Control: func(_, _ string, c syscall.RawConn) error {
		var err error
		if err := c.Control(func(fd uintptr) {
			err = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_REUSEPORT, 1)
		}); err != nil {
			return err
		}
		return os.NewSyscallError("setsockopt", err)
	}}
	for range n {
		ln, err := lc.Listen(context.Background(), "tcp", address)
		if err != nil {
			return all, err
		}
		all = append(all, ln)
		address = ln.Addr().String() // the port is any free one for the first alone
	}
	return all, nil
}

func closeAll(listeners []net.Listener) {
	for _, ln := range listeners {
		ln.Close()
	}
}

// serve has every scheduler accept connections until its listener is closed.
func serve(listeners []net.Listener, schedulers []*coro.Scheduler) error {
	var acceptors []*coro.Handle[struct{}]
	for i, s := range schedulers {
		ln := listeners[i]
		acceptors = append(acceptors, coro.Spawn(s, func(t *coro.Task) (struct{}, error) {
			return struct{}{},
				accept(t, ln)
		}))
	}
	var errs error
	for _, a := range acceptors {
		_, err := a.Wait(context.Background())
		errs = errors.Join(errs, err)
	}
	return errs
}

// accept starts a coroutine for each connection.
func accept(t *coro.Task, ln net.Listener) error {
	view := t.Listener(ln)
	for {
		conn, err := view.Accept()
		if errors.Is(err, net.ErrClosed) {
			return nil
		}
		if err != nil {
			ln.Close() // so that no client waits for this scheduler any more
			return err
		}
		coro.Spawn(t.Scheduler(), func(t *coro.Task) (struct{}, error) {
			echo(t.Conn(conn))
			return struct{}{}, nil
		}, coro.Name("echo"))
	}
}

// echo sends back what it reads until the peer stops.
func echo(conn net.Conn) {
	defer conn.Close()
	buf := make([]byte, 4096)
	for {
		n, err := conn.Read(buf)
		if err != nil {
			return
		}
		if _, err := conn.Write(buf[:n]); err != nil {
			return
		}
	}
}

// end ends the schedulers, which ends the calls that connections block in.
func end(schedulers []*coro.Scheduler) error {
	var errs error
	for _, s := range schedulers {
		errs = errors.Join(errs, s.Close())
	}
	return errs
}
