package aio_test

import (
	"fmt"
	"net"
	"os"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/weirgo/weir/aio"
	"github.com/weirgo/weir/backends/uring/uringtest"
)

func TestMain(m *testing.M) {
	uringtest.FromEnv()
	if c, err := net.ListenPacket("udp4", "127.0.0.1:0"); err == nil {
		c.Close() // Go's own poller keeps two descriptors, from its first use on
	}
	goleak.VerifyTestMain(m)
}

// drives are what every test runs under, unless WEIR_DRIVE picks one.
var drives = func() []string {
	if d := os.Getenv("WEIR_DRIVE"); d != "" {
		return []string{d}
	}
	return []string{"auto", "thread", "scheduler"}
}()

// each runs f on an IO of each drive and checks that it leaves nothing behind.
func each(t *testing.T, f func(t *testing.T, io *aio.IO)) {
	t.Helper()
	for _, d := range drives {
		t.Run(d, func(t *testing.T) {
			f(t, open(t, aio.Options{Drive: d}))
		})
	}
}

// open starts an IO that ends with the test.
func open(t testing.TB, o aio.Options) *aio.IO {
	t.Helper()
	if o.Backend == "" {
		o.Backend = os.Getenv("WEIR_BACKEND")
	}
	before := openFDs(t)
	io, err := aio.New(o)
	if err != nil {
		t.Skip("no backend can start here:", err)
	}
	t.Cleanup(func() {
		n := io.Stats().InFlight
		for range 1000 { // a callback's operation counts until the loop has seen the callback return
			if n == 0 {
				break
			}
			time.Sleep(time.Millisecond)
			n = io.Stats().InFlight
		}
		if n != 0 {
			t.Errorf("%d operations still in flight at the end", n)
		}
		if err := io.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
		after := openFDs(t)
		for range 1000 { // a Close that the test did not wait for may still be under way
			if len(after) <= len(before) {
				break
			}
			time.Sleep(time.Millisecond)
			after = openFDs(t)
		}
		if len(after) > len(before) {
			t.Errorf("descriptors leaked:\nbefore %v\nafter  %v", before, after)
		}
	})
	return io
}

// openFDs lists the open descriptors.
func openFDs(t testing.TB) []string {
	t.Helper()
	dir, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	var fds []string
	for _, e := range dir {
		target, err := os.Readlink("/proc/self/fd/" + e.Name())
		if err == nil {
			fds = append(fds, fmt.Sprintf("%s=%s", e.Name(), target))
		}
	}
	return fds
}
