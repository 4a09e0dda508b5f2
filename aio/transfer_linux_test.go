package aio_test

import (
	"net"
	"testing"
	"time"

	"github.com/weirgo/weir/aio"
)

// payload is data in which no two places look alike.
func payload(n int) []byte {
	data := make([]byte, n)
	for i := range data {
		data[i] = byte(uint32(i) * 2654435761 >> 13)
	}
	return data
}

// pairOf is pipe that closes both ends with the test.
func pairOf(t testing.TB, network string, io *aio.IO) (a, b net.Conn) {
	t.Helper()
	a, b = pipe(t, network, io.Dial, io.Listen)
	t.Cleanup(func() { a.Close(); b.Close() })
	return a, b
}

// slowly reads everything from c, at first so slowly that the sender has to wait for room.
func slowly(c net.Conn) <-chan []byte {
	ch := make(chan []byte, 1)
	go func() {
		var all []byte
		buf := make([]byte, 30000)
		for i := 0; ; i++ {
			if i < 20 {
				time.Sleep(time.Millisecond)
			}
			n, err := c.Read(buf)
			all = append(all, buf[:n]...)
			if err != nil {
				ch <- all
				return
			}
		}
	}()
	return ch
}
