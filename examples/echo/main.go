// Command echo is an echo server: a goroutine and a 4 KiB buffer for each connection, plain
// blocking code.
//
//	go run ./examples/echo [-backend NAME] [-drive auto|thread|scheduler]
//	    [-loops N] [-stats] [ADDRESS or PORT]
//
// It serves until it is interrupted. Port 0 means any free one; the first line of output says
// which.
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
	"strconv"
	"sync"
	"syscall"

	"github.com/weirgo/weir/aio"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	switch err := run(ctx, os.Args[1:], os.Stdout); {
	case errors.Is(err, flag.ErrHelp):
	case err != nil:
		fmt.Fprintln(os.Stderr, "echo:", err)
		os.Exit(1)
	}
}

// run serves until ctx ends, which is not an error.
func run(ctx context.Context, args []string, stdout io.Writer) error {
	var o aio.Options
	flags := flag.NewFlagSet("echo", flag.ContinueOnError)
	flags.StringVar(&o.Backend, "backend", "", "force this `backend` instead of WEIR_BACKEND, or else the first "+
		"that works")
	flags.StringVar(&o.Drive, "drive", "", "how loops run: auto, thread or scheduler; empty: WEIR_DRIVE, or else auto")
	flags.IntVar(&o.Loops, "loops", 0, "number of loops (0: from GOMAXPROCS)")
	stats := flags.Bool("stats", false, "print the counters at the end")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if flags.NArg() > 1 {
		return fmt.Errorf("one ADDRESS or PORT, not %q", flags.Args())
	}

	weir, err := aio.New(o)
	if err != nil {
		return err
	}
	defer weir.Close()
	ln, err := weir.Listen("tcp", address(flags.Arg(0)))
	if err != nil {
		return err
	}
	defer context.AfterFunc(ctx, func() { ln.Close() })()
	info := weir.Info()
	fmt.Fprintf(stdout, "echo on %v, backend %s (%s), drive %s, %d loops\n", ln.Addr(), info.Backend, info.Reason,
		info.Drive, info.Loops)

	err = serve(ln, weir)
	if *stats {
		fmt.Fprintf(stdout, "%+v\n", weir.Stats())
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

// serve echoes on every connection until the listener is closed. Then it ends weir, which ends the
// calls that connections block in, and waits for their goroutines.
func serve(ln net.Listener, weir *aio.IO) error {
	defer ln.Close()
	var conns sync.WaitGroup
	defer conns.Wait()
	defer weir.Close()
	for {
		conn, err := ln.Accept()
		if errors.Is(err, net.ErrClosed) {
			return nil
		}
		if err != nil {
			return err
		}
		conns.Go(func() { echo(conn) })
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
