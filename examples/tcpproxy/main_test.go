package main

import (
	"bytes"
	"io"
	"net"
	"os"
	"runtime"
	"sync"
	"testing"

	"go.uber.org/goleak"

	"github.com/weirgo/weir/aio"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// The target answers when the client has said all it has to say: half-closed connections pass too.
func TestProxy(t *testing.T) {
	if runtime.GOARCH == "wasm" {
		t.Skip("no network here")
	}
	weir, err := aio.New(aio.Options{Backend: os.Getenv("WEIR_BACKEND"), Drive: os.Getenv("WEIR_DRIVE")})
	if err != nil {
		t.Skip("no backend can start here:", err)
	}
	defer weir.Close()
	target, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ln, err := weir.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var all sync.WaitGroup
	defer all.Wait()
	all.Go(func() {
		for {
			c, err := target.Accept()
			if err != nil {
				return
			}
			all.Go(func() {
				defer c.Close()
				b, _ := io.ReadAll(c)
				c.Write(bytes.ToUpper(b))
			})
		}
	})
	all.Go(func() {
		if err := proxy(weir, ln, target.Addr().String()); err != nil {
			t.Error(err)
		}
	})
	var clients sync.WaitGroup
	said := bytes.Repeat([]byte("pass it on, "), 50000)
	for range 8 {
		clients.Go(func() {
			c, err := net.Dial("tcp", ln.Addr().String())
			if err != nil {
				t.Error(err)
				return
			}
			defer c.Close()
			c.Write(said)
			c.(*net.TCPConn).CloseWrite()
			if got, err := io.ReadAll(c); err != nil || !bytes.Equal(got, bytes.ToUpper(said)) {
				t.Errorf("%d bytes of %d, %v", len(got), len(said), err)
			}
		})
	}
	clients.Wait()
	ln.Close()
	target.Close()
}
