package main

import (
	"io"
	"log"

	"github.com/weirgo/weir/aio"
)

func main() {
	ln, err := aio.Listen("tcp", "127.0.0.1:7007") // net.Listen
	if err != nil {
		log.Fatal(err)
	}
	for {
		conn, err := ln.Accept()
		if err != nil {
			log.Fatal(err)
		}
		go func() {
			defer conn.Close()
			io.Copy(conn, conn)
		}()
	}
}
