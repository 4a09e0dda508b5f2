package main

import (
	"fmt"
	"net"
	"os"
	"runtime"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/weirgo/weir/aio"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestEcho(t *testing.T) {
	if runtime.GOARCH == "wasm" {
		t.Skip("no network here")
	}
	weir, err := aio.New(aio.Options{Backend: os.Getenv("WEIR_BACKEND"), Drive: os.Getenv("WEIR_DRIVE")})
	if err != nil {
		t.Skip("no backend can start here:", err)
	}
	defer weir.Close()
	c, err := weir.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan error)
	go func() { ended <- echo(c.(*aio.UDPConn)) }()
	var clients sync.WaitGroup
	for i := range 20 {
		clients.Go(func() {
			c, err := net.Dial("udp", c.LocalAddr().String())
			if err != nil {
				t.Error(err)
				return
			}
			defer c.Close()
			buf := make([]byte, 100)
			for j := range 20 {
				want := fmt.Sprintf("packet %d of client %d", j, i)
				for tries := 0; ; tries++ { // UDP may lose some
					fmt.Fprint(c, want)
					c.SetReadDeadline(time.Now().Add(time.Second))
					n, err := c.Read(buf)
					if err == nil && string(buf[:n]) == want {
						break
					}
					if tries == 20 {
						t.Errorf("client %d: %q, %v", i, buf[:n], err)
						return
					}
				}
			}
		})
	}
	clients.Wait()
	c.Close()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}
