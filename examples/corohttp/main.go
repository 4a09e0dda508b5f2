//go:build linux

// Command corohttp is an HTTP/1.1 server of coroutines: one for each connection, all on one thread.
// It tells the method and the path that were asked for, keeps connections alive, and ends those
// that are idle for ten seconds.
//
//	go run ./examples/corohttp [ADDRESS]
//
// Requests are read by package net/http, which knows nothing of coroutines: a view is an ordinary
// net.Conn.
package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/weirgo/weir/aio"
	"github.com/weirgo/weir/coro"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	address := "127.0.0.1:8080"
	if len(os.Args) > 1 {
		address = os.Args[1]
	}
	if err := run(ctx, address, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "corohttp:", err)
		os.Exit(1)
	}
}

// run serves until ctx ends, which is not an error.
func run(ctx context.Context, address string, stdout io.Writer) error {
	weir, err := aio.New(aio.Options{})
	if err != nil {
		return err
	}
	defer weir.Close()
	ln, err := weir.Listen("tcp", address)
	if err != nil {
		return err
	}
	defer ln.Close()
	defer context.AfterFunc(ctx, func() { ln.Close() })()
	s, err := coro.New(coro.Options{IO: weir, Name: "corohttp"})
	if err != nil {
		return err
	}
	fmt.Fprintf(stdout, "http://%v/\n", ln.Addr())
	server := coro.Spawn(s, func(t *coro.Task) (struct{}, error) { return struct{}{}, accept(t, ln) })
	_, err = server.Wait(context.Background())
	return errors.Join(err, s.Close())
}

// accept starts a coroutine for each connection, and ends them all when the listener is closed.
func accept(t *coro.Task, ln net.Listener) error {
	view := t.Listener(ln)
	g := coro.NewGroup(t)
	for {
		conn, err := view.Accept()
		if errors.Is(err, net.ErrClosed) {
			g.Cancel()
			g.Wait()
			return nil
		}
		if err != nil {
			return err
		}
		if err := g.Go(func(t *coro.Task) error { serve(t, conn); return nil }, coro.Name("connection")); err != nil {
			return errors.Join(err, conn.Close())
		}
	}
}

// serve answers the requests of one connection.
func serve(t *coro.Task, conn net.Conn) {
	c := t.Conn(conn)
	defer c.Close()
	r := bufio.NewReader(c)
	for {
		var req *http.Request
		err := t.Timeout(10*time.Second, func() (err error) { req, err = http.ReadRequest(r); return err })
		if err != nil {
			return
		}
		if _, err := io.Copy(io.Discard, req.Body); err != nil {
			return
		}
		body := fmt.Sprintf("%s %s\n", req.Method, req.URL.Path)
		resp := &http.Response{
			StatusCode: http.StatusOK, ProtoMajor: 1, ProtoMinor: 1, Request: req, Close: req.Close,
			ContentLength: int64(len(body)), Body: io.NopCloser(strings.NewReader(body)),
			Header: http.Header{"Content-Type": {"text/plain; charset=utf-8"}},
		}
		w := bufio.NewWriter(c)
		if resp.Write(w) != nil || w.Flush() != nil || req.Close {
			return
		}
	}
}
