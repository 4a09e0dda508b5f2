//go:build linux

package engines

import (
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
	if os.Getenv("ENGINES_CHILD") != "" {
		pebbleChild()
		return
	}
	if c, err := net.ListenPacket("udp4", "127.0.0.1:0"); err == nil {
		c.Close() // Go's own poller keeps two descriptors, from its first use on
	}
	goleak.VerifyTestMain(m,
		// fasthttp's have a clock for ever, and look after idle connections every ten seconds: then
		// they see that there is nothing left to do
		goleak.IgnoreAnyFunction("github.com/valyala/fasthttp.updateServerDate.func1"),
		goleak.IgnoreAnyFunction("github.com/valyala/fasthttp.(*Client).mCleaner"),
		goleak.IgnoreAnyFunction("github.com/valyala/fasthttp.(*HostClient).connsCleaner"),
		goleak.IgnoreAnyFunction("github.com/valyala/fasthttp.(*workerPool).Start.func2"),
	)
}

// drives runs f on an IO of every drive. WEIR_BACKEND and WEIR_DRIVE force a backend and a drive.
func drives(t *testing.T, f func(t *testing.T, lib *aio.IO)) {
	list := []string{"auto", "thread", "scheduler"}
	if d := os.Getenv("WEIR_DRIVE"); d != "" {
		list = []string{d}
	}
	for _, d := range list {
		t.Run(d, func(t *testing.T) { f(t, open(t, d)) })
	}
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
				errs[i] = fmt.Errorf("%d: %w", i, err)
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
