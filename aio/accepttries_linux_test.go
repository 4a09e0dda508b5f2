//go:build !weir_portable

package aio_test

import (
	"errors"
	"net"
	"os"
	"testing"
	"time"

	"github.com/weirgo/weir/aio"
)

// TestAcceptTriesFirst guards that Accept by itself takes a connection that is there, however often
// there was none before. To wait for each takes a turn of Go's scheduler: beside goroutines that
// compute that is long, and the backlog grows.
func TestAcceptTriesFirst(t *testing.T) {
	weir := open(t, aio.Options{Drive: "auto"})
	l := listen(t, weir)
	for range 8 { // there is none
		l.SetDeadline(time.Now().Add(time.Millisecond))
		if _, err := l.Accept(); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Fatal(err)
		}
	}
	l.SetDeadline(time.Time{})
	const n = 10
	for range n {
		c, err := net.Dial("tcp", l.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
	}
	before := weir.Stats().Direct
	for range n {
		c, err := l.Accept()
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
	}
	if direct := weir.Stats().Direct - before; direct != n {
		t.Errorf("of %d connections that were there Accept took %d without the loop", n, direct)
	}
}
