// Command udpecho sends every packet back to where it came from, as many at a time as there are.
//
//	go run ./examples/udpecho [ADDRESS]
package main

import (
	"context"
	"errors"
	"log"
	"net"
	"os"

	"github.com/weirgo/weir/aio"
)

func main() {
	address := append(os.Args[1:], "127.0.0.1:7007")[0]
	c, err := aio.ListenPacket("udp", address)
	if err != nil {
		log.Fatal(err)
	}
	log.Fatal(echo(c.(*aio.UDPConn)))
}

// echo serves until the socket is closed.
func echo(c *aio.UDPConn) error {
	ctx := context.Background()
	buf := make([]byte, 64<<10)
	in, out := make([]aio.Packet, 32), make([]aio.Packet, 32)
	for i := range in {
		in[i].Buf = buf[i*2048 : (i+1)*2048]
	}
	for {
		n, err := c.ReadBatch(ctx, in)
		if errors.Is(err, net.ErrClosed) {
			return nil
		}
		if err != nil {
			return err
		}
		for i, p := range in[:n] {
			out[i] = aio.Packet{Buf: p.Buf[:p.N], Addr: p.Addr}
		}
		if sent, err := c.WriteBatch(ctx, out[:n]); err != nil {
			log.Printf("%v: %v", out[sent].Addr, err)
		}
	}
}
