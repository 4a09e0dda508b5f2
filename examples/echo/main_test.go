package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/weirgo/weir/aio"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// drives are what every test runs under, unless WEIR_DRIVE picks one.
var drives = func() []string {
	if d := os.Getenv("WEIR_DRIVE"); d != "" {
		return []string{d}
	}
	return []string{"auto", "thread", "scheduler"}
}()

// each runs f on each drive; args are the flags that choose it. It skips f where no backend can
// start.
func each(t *testing.T, f func(t *testing.T, drive string, args []string)) {
	t.Helper()
	for _, drive := range drives {
		t.Run(drive, func(t *testing.T) {
			backend := os.Getenv("WEIR_BACKEND")
			weir, err := aio.New(aio.Options{Backend: backend, Drive: drive})
			if err != nil {
				t.Skip("no backend can start here:", err)
			}
			weir.Close()
			f(t, drive, []string{"-backend", backend, "-drive", drive})
		})
	}
}

// start runs the example and returns its address, its further output, and the function that
// interrupts it and waits for its end.
func start(t *testing.T, args ...string) (addr string, rest *bytes.Buffer, stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	out, in := io.Pipe()
	ended := make(chan error, 1)
	go func() {
		err := run(ctx, args, in)
		in.CloseWithError(err)
		ended <- err
	}()
	r := bufio.NewReader(out)
	line, err := r.ReadString('\n')
	if err != nil {
		t.Fatalf("no first line: %v", err)
	}
	if _, err := fmt.Sscanf(line, "echo on %s backend ", &addr); err != nil {
		t.Fatalf("first line %q: %v", line, err)
	}
	rest = &bytes.Buffer{}
	copied := make(chan struct{})
	go func() { io.Copy(rest, r); close(copied) }()
	return strings.TrimSuffix(addr, ","), rest, sync.OnceFunc(func() {
		t.Helper()
		cancel()
		select {
		case err := <-ended:
			if err != nil {
				t.Errorf("run: %v", err)
			}
		case <-time.After(20 * time.Second):
			t.Fatal("still running 20 s after the interrupt")
		}
		<-copied
	})
}

// exchange sends messages of all sizes up to a multiple of the server's buffer and checks every
// byte of the echo.
func exchange(addr string, seed int) error {
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		return err
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(20 * time.Second))
	for size := 1; size <= 64<<10; size = size*5 + seed {
		sent, got := make([]byte, size), make([]byte, size)
		for i := range sent {
			sent[i] = byte(i*7 + seed + size)
		}
		wrote := make(chan error, 1)
		go func() { _, err := conn.Write(sent); wrote <- err }()
		if _, err := io.ReadFull(conn, got); err != nil {
			return errors.Join(err, conn.Close(), <-wrote)
		}
		if err := <-wrote; err != nil {
			return err
		}
		if !bytes.Equal(sent, got) {
			return fmt.Errorf("an echo of %d bytes is not what was sent", size)
		}
	}
	return nil
}

func TestEcho(t *testing.T) {
	each(t, func(t *testing.T, _ string, args []string) {
		addr, rest, stop := start(t, append(args, "-loops", "2", "-stats", "0")...)
		defer stop()
		var clients sync.WaitGroup
		for i := range 32 {
			clients.Go(func() {
				if err := exchange(addr, i); err != nil {
					t.Errorf("client %d: %v", i, err)
				}
			})
		}
		clients.Wait()
		stop()
		if s := rest.String(); !strings.Contains(s, "accept:") {
			t.Errorf("-stats printed %q, want counters with accept operations", s)
		}
	})
}

// The interrupt ends connections whose clients stay and say nothing.
func TestInterruptWithIdleClients(t *testing.T) {
	each(t, func(t *testing.T, _ string, args []string) {
		addr, _, stop := start(t, append(args, "0")...)
		defer stop()
		var conns []net.Conn
		for range 8 {
			conn, err := net.Dial("tcp", addr)
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			conn.SetDeadline(time.Now().Add(20 * time.Second))
			fmt.Fprint(conn, "x")
			if _, err := conn.Read(make([]byte, 1)); err != nil {
				t.Fatal(err)
			}
			conns = append(conns, conn)
		}
		stop()
		for _, conn := range conns {
			if n, err := conn.Read(make([]byte, 1)); n != 0 || err == nil {
				t.Errorf("read after the server's end: %d, %v", n, err)
			}
		}
	})
}

func TestBadAddress(t *testing.T) {
	each(t, func(t *testing.T, _ string, args []string) {
		if err := run(t.Context(), append(args, "nonsense"), io.Discard); err == nil || !strings.Contains(err.Error(),
			"missing port") {
			t.Errorf("%v, want what is wrong with the address", err)
		}
	})
}

func TestBadArguments(t *testing.T) {
	for _, c := range []struct {
		args []string
		want string
	}{
		{[]string{"-backend", "nonsense", "0"}, `no backend is called "nonsense"`},
		{[]string{"-drive", "nonsense", "0"}, "Options.Drive"},
		{[]string{"-loops", "-1", "0"}, "Options.Loops"},
		{[]string{"0", "1"}, "one ADDRESS or PORT"},
	} {
		if err := run(t.Context(), c.args, io.Discard); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("run %q: %v, want an error with %q", c.args, err, c.want)
		}
	}
	if err := run(t.Context(), []string{"-h"}, io.Discard); !errors.Is(err, flag.ErrHelp) {
		t.Errorf("run -h: %v", err)
	}
}

func TestAddress(t *testing.T) {
	for arg, want := range map[string]string{"": "127.0.0.1:7007", "0": "127.0.0.1:0", "80": "127.0.0.1:80",
		"[::1]:0": "[::1]:0", ":9": ":9"} {
		if got := address(arg); got != want {
			t.Errorf("address(%q) = %q, want %q", arg, got, want)
		}
	}
}
