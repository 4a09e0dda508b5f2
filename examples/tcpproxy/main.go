// Command tcpproxy passes connections on to another address. On Linux the bytes never leave the
// kernel: io.Copy from one of weir's connections to another splices.
//
//	go run ./examples/tcpproxy LISTEN TARGET
package main

import (
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"os"
	"sync"

	"github.com/weirgo/weir/aio"
)

func main() {
	if len(os.Args) != 3 {
		fmt.Fprintln(os.Stderr, "usage: tcpproxy LISTEN TARGET")
		os.Exit(2)
	}
	ln, err := aio.Listen("tcp", os.Args[1])
	if err != nil {
		log.Fatal(err)
	}
	log.Fatal(proxy(aio.Default(), ln, os.Args[2]))
}

// proxy serves until the listener is closed, and then until the last connection has ended.
func proxy(weir *aio.IO, ln net.Listener, target string) error {
	var conns sync.WaitGroup
	defer conns.Wait()
	for {
		client, err := ln.Accept()
		if errors.Is(err, net.ErrClosed) {
			return nil
		}
		if err != nil {
			return err
		}
		conns.Go(func() {
			defer client.Close()
			server, err := weir.Dial("tcp", target)
			if err != nil {
				log.Print(err)
				return
			}
			defer server.Close()
			var up sync.WaitGroup
			up.Go(func() { pass(server, client) })
			pass(client, server)
			up.Wait()
		})
	}
}

// pass copies what comes from one side to the other, and then its end.
func pass(to, from net.Conn) {
	if _, err := io.Copy(to, from); err != nil { // nothing more can pass in either direction
		to.Close()
		from.Close()
		return
	}
	to.(*aio.TCPConn).CloseWrite()
}
