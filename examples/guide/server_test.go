//go:build linux

package guide_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/weirgo/weir/aio"
)

func TestMain(m *testing.M) {
	code := m.Run()
	if err := aio.Default().Close(); err != nil {
		fmt.Println(err)
		code = 1
	}
	if err := goleak.Find(); code == 0 && err != nil {
		fmt.Println(err)
		code = 1
	}
	os.Exit(code)
}

// serve answers each connection in a goroutine of its own, until the listener is closed.
func serve(ln net.Listener, handle func(net.Conn)) error {
	for {
		conn, err := ln.Accept()
		if errors.Is(err, net.ErrClosed) {
			return nil
		}
		if err != nil {
			return err
		}
		go func() {
			defer conn.Close()
			handle(conn)
		}()
	}
}

func echo(conn net.Conn) { io.Copy(conn, conn) }

func Example_firstServer() {
	ln, err := aio.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer ln.Close()
	go serve(ln, echo)

	conn, err := aio.Dial("tcp", ln.Addr().String())
	if err != nil {
		fmt.Println(err)
		return
	}
	defer conn.Close()
	fmt.Fprintln(conn, "hello")
	line, err := bufio.NewReader(conn).ReadString('\n')
	fmt.Printf("%q %v\n", line, err)
	// Output:
	// "hello\n" <nil>
}

// ask sends a question and waits for a line. It takes two seconds at most, and ends early with ctx.
func ask(ctx context.Context, address, question string) (string, error) {
	conn, err := aio.DialContext(ctx, "tcp", address)
	if err != nil {
		return "", err
	}
	defer conn.Close()
	stop := context.AfterFunc(ctx, func() { conn.Close() })
	defer stop()
	if err := conn.SetDeadline(time.Now().Add(2 * time.Second)); err != nil {
		return "", err
	}
	if _, err := fmt.Fprintln(conn, question); err != nil {
		return "", err
	}
	return bufio.NewReader(conn).ReadString('\n')
}

func Example_ask() {
	ln, err := aio.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer ln.Close()
	go serve(ln, echo)
	answer, err := ask(context.Background(), ln.Addr().String(), "are you there?")
	fmt.Printf("%q %v\n", answer, err)
	// Output:
	// "are you there?\n" <nil>
}

func Example_deadline() {
	ln, err := aio.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer ln.Close()
	conn, err := aio.Dial("tcp", ln.Addr().String()) // nothing accepts it, nothing answers
	if err != nil {
		fmt.Println(err)
		return
	}
	defer conn.Close()

	conn.SetReadDeadline(time.Now().Add(10 * time.Millisecond))
	_, err = conn.Read(make([]byte, 1))
	fmt.Println("deadline:", errors.Is(err, os.ErrDeadlineExceeded))
	conn.SetReadDeadline(time.Time{}) // no deadline any more

	ctx, cancel := context.WithCancelCause(context.Background())
	time.AfterFunc(10*time.Millisecond, func() { cancel(errors.New("the user has left")) })
	_, err = conn.(*aio.TCPConn).ReadContext(ctx, make([]byte, 1))
	fmt.Println("context:", errors.Is(err, context.Cause(ctx)))
	// Output:
	// deadline: true
	// context: true
}

// run serves until ctx ends. Connections have the time of grace to finish then; what still blocks
// after that is ended with weir.
func run(ctx context.Context, weir *aio.IO, ln net.Listener, grace time.Duration, handle func(net.Conn)) error {
	defer context.AfterFunc(ctx, func() { ln.Close() })()
	defer weir.Close() // ends every call that blocks, with net.ErrClosed
	var conns sync.WaitGroup
	for {
		conn, err := ln.Accept()
		if errors.Is(err, net.ErrClosed) {
			break
		}
		if err != nil {
			return err
		}
		conns.Go(func() {
			defer conn.Close()
			handle(conn)
		})
	}
	finished := make(chan struct{})
	go func() { conns.Wait(); close(finished) }()
	select {
	case <-finished:
	case <-time.After(grace):
	}
	return nil
}

func Example_shutdown() {
	weir, err := aio.New(aio.Options{})
	if err != nil {
		fmt.Println(err)
		return
	}
	ln, err := weir.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		fmt.Println(err)
		return
	}
	handled := make(chan error, 1)
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	ended := make(chan error, 1)
	go func() {
		ended <- run(ctx, weir, ln, 10*time.Millisecond, func(conn net.Conn) {
			_, err := conn.Read(make([]byte, 1)) // a client that says nothing
			handled <- err
		})
	}()
	conn, err := net.Dial("tcp", ln.Addr().String())
	if err != nil {
		fmt.Println(err)
		return
	}
	defer conn.Close()
	time.Sleep(20 * time.Millisecond) // the client has been accepted
	cancel()
	fmt.Println("run:", <-ended)
	fmt.Println("the read ended with net.ErrClosed:", errors.Is(<-handled, net.ErrClosed))
	// Output:
	// run: <nil>
	// the read ended with net.ErrClosed: true
}
