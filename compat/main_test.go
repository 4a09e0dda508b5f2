package compat

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/weirgo/weir/aio"
)

func TestMain(m *testing.M) {
	if c, err := net.ListenPacket("udp4", "127.0.0.1:0"); err == nil {
		c.Close() // Go's own poller keeps two descriptors, from its first use on
	}
	goleak.VerifyTestMain(m)
}

// ends is where a server and its clients get their connections from.
type ends struct {
	listenWith func(network, address string) (net.Listener, error)
	dial       func(ctx context.Context, network, address string) (net.Conn, error)
}

// each runs f with both ends on weir, on every drive, and with one of them on package net.
// WEIR_BACKEND and WEIR_DRIVE force a backend and a drive.
func each(t *testing.T, f func(t *testing.T, e ends)) {
	drives := []string{"auto", "thread", "scheduler"}
	if d := os.Getenv("WEIR_DRIVE"); d != "" {
		drives = []string{d}
	}
	std := ends{net.Listen, new(net.Dialer).DialContext}
	for _, d := range drives {
		t.Run(d, func(t *testing.T) {
			lib := open(t, d)
			f(t, ends{lib.Listen, lib.DialContext})
		})
	}
	t.Run("server", func(t *testing.T) { f(t, ends{open(t, drives[0]).Listen, std.dial}) })
	t.Run("client", func(t *testing.T) { f(t, ends{std.listenWith, open(t, drives[0]).DialContext}) })
}

// open starts an IO that ends with the test, which must leave neither operations nor descriptors
// behind.
func open(t *testing.T, drive string) *aio.IO {
	t.Helper()
	before := openFDs()
	lib, err := aio.New(aio.Options{Backend: os.Getenv("WEIR_BACKEND"), Drive: drive})
	if err != nil {
		t.Skip("no backend can start here:", err)
	}
	t.Cleanup(func() {
		eventually(t, "operations are still in flight", func() bool { return lib.Stats().InFlight == 0 })
		if err := lib.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
		eventually(t, "descriptors leak", func() bool { return openFDs() <= before })
	})
	return lib
}

// openFDs is how many descriptors are open; where the system does not tell it is always the same.
func openFDs() int {
	dir, _ := os.ReadDir("/proc/self/fd")
	return len(dir)
}

// eventually waits for what is to come by itself. The limit only ends what hangs.
func eventually(t *testing.T, otherwise string, so func() bool) {
	t.Helper()
	for range 10_000 {
		if so() {
			return
		}
		time.Sleep(time.Millisecond)
	}
	t.Error(otherwise)
}

func (e ends) listen(t *testing.T) net.Listener {
	t.Helper()
	ln, err := e.listenWith("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ln.Close() })
	return ln
}

// soon is a context that ends in a moment: long after what it is for has begun, where that matters,
// because it does not end without it.
func soon(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
	t.Cleanup(cancel)
	return ctx
}

// limited is a context that ends only what hangs.
func limited(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	t.Cleanup(cancel)
	return ctx
}

// together calls f n times at once and reports the errors.
func together(t *testing.T, n int, f func(i int) error) {
	t.Helper()
	var wg sync.WaitGroup
	errs := make([]error, n)
	for i := range n {
		wg.Go(func() {
			if err := f(i); err != nil {
				errs[i] = fmt.Errorf("client %d: %w", i, err)
			}
		})
	}
	wg.Wait()
	if err := errors.Join(errs...); err != nil {
		t.Error(err)
	}
}

// pattern is n bytes that differ from place to place and from seed to seed.
func pattern(n, seed int) []byte {
	b := make([]byte, n)
	x := uint32(seed)*2654435761 + 1
	for i := range b {
		x ^= x << 13
		x ^= x >> 17
		x ^= x << 5
		b[i] = byte(x)
	}
	return b
}

// text is pattern in printable bytes without quotes.
func text(n, seed int) string {
	b := pattern(n, seed)
	for i, c := range b {
		b[i] = 'a' + c%26
	}
	return string(b)
}

// compare reports where two messages differ.
func compare[B []byte | string](got, want B) error {
	if len(got) != len(want) {
		return fmt.Errorf("%d bytes came back of %d", len(got), len(want))
	}
	if !bytes.Equal([]byte(got), []byte(want)) {
		return fmt.Errorf("%d bytes came back changed", len(want))
	}
	return nil
}

// sizes are the lengths of messages: empty, less than a segment, more than the kernel's buffers
// hold by default.
var sizes = []int{0, 1, 100, 5_000, 70_000, 1_000_000}

const large = 8 << 20
