//go:build !weir_portable

package aio_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"syscall"
	"time"

	"github.com/weirgo/weir/aio"
	"github.com/weirgo/weir/aio/op"
)

// must returns v.
func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// pair is a connection and its peer.
func pair(weir *aio.IO) (a, b *aio.TCPConn) {
	ln := must(weir.Listen("tcp", "127.0.0.1:0"))
	defer ln.Close()
	a = must(weir.Dial("tcp", ln.Addr().String())).(*aio.TCPConn)
	return a, must(ln.Accept()).(*aio.TCPConn)
}

func ExampleIO_Listen() {
	weir, _ := aio.New(aio.Options{})
	defer weir.Close()
	ln, err := weir.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer ln.Close()
	go func() {
		conn, err := ln.Accept()
		if err != nil {
			return
		}
		io.Copy(conn, conn)
		conn.Close()
	}()
	conn, err := weir.Dial("tcp", ln.Addr().String())
	if err != nil {
		fmt.Println(err)
		return
	}
	defer conn.Close()
	fmt.Fprintln(conn, "hello")
	fmt.Println(bufio.NewReader(conn).ReadString('\n'))
	// Output:
	// hello
	//  <nil>
}

// A dial ends with its context.
func ExampleIO_DialContext() {
	weir, _ := aio.New(aio.Options{})
	defer weir.Close()
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	_, err := weir.DialContext(ctx, "tcp", "127.0.0.1:7007")
	fmt.Println(errors.Is(err, context.Canceled))
	// Output:
	// true
}

func ExampleDialer() {
	weir, _ := aio.New(aio.Options{})
	defer weir.Close()
	ln := must(weir.Listen("tcp", "127.0.0.1:0"))
	defer ln.Close()
	d := aio.Dialer{IO: weir, Timeout: 5 * time.Second, LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)}}
	conn, err := d.Dial("tcp", ln.Addr().String())
	if err != nil {
		fmt.Println(err)
		return
	}
	defer conn.Close()
	fmt.Println(conn.RemoteAddr().String() == ln.Addr().String())
	// Output:
	// true
}

// Control sets an option of the socket before it is bound.
func ExampleListenConfig() {
	weir, _ := aio.New(aio.Options{})
	defer weir.Close()
	lc := aio.ListenConfig{IO: weir, Control: func(network, address string, c syscall.RawConn) error {
		var set error
		err := c.Control(func(fd uintptr) {
			set = syscall.SetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_RCVBUF, 1<<20)
		})
		return errors.Join(err, set)
	}}
	ln, err := lc.Listen(context.Background(), "tcp", "127.0.0.1:0")
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(ln.Addr().Network(), ln.Close())
	// Output:
	// tcp <nil>
}

// The connections come one after the other, until the context ends.
func ExampleTCPListener_Accepts() {
	weir, _ := aio.New(aio.Options{})
	defer weir.Close()
	ln := must(weir.ListenTCP("tcp", &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)}))
	defer ln.Close()
	for range 2 {
		defer must(weir.Dial("tcp", ln.Addr().String())).Close()
	}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	n := 0
	for conn, err := range ln.Accepts(ctx) {
		if err != nil {
			fmt.Println("after", n, errors.Is(err, context.Canceled))
			break
		}
		conn.Close()
		if n++; n == 2 {
			cancel()
		}
	}
	// Output:
	// after 2 true
}

func ExampleTCPConn_ReadContext() {
	weir, _ := aio.New(aio.Options{})
	defer weir.Close()
	a, b := pair(weir) // a connection and its peer
	defer a.Close()
	defer b.Close()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Millisecond)
	defer cancel()
	_, err := a.ReadContext(ctx, make([]byte, 10)) // b says nothing
	fmt.Println(errors.Is(err, context.DeadlineExceeded))
	// Output:
	// true
}

// A connection that waits in Receive holds no buffer.
func ExampleTCPConn_Receive() {
	weir, _ := aio.New(aio.Options{})
	defer weir.Close()
	a, b := pair(weir) // a connection and its peer
	defer a.Close()
	io.WriteString(b, "some bytes")
	b.Close()
	for {
		err := a.Receive(context.Background(), func(p []byte) error {
			fmt.Printf("%s\n", p) // p is lent until the function returns
			return nil
		})
		if err != nil {
			fmt.Println(err)
			return
		}
	}
	// Output:
	// some bytes
	// EOF
}

// Several buffers leave with one system call.
func ExampleTCPConn_Writev() {
	weir, _ := aio.New(aio.Options{})
	defer weir.Close()
	a, b := pair(weir) // a connection and its peer
	defer b.Close()
	n, err := a.Writev([][]byte{[]byte("head "), []byte("and "), []byte("body")})
	a.Close()
	text, _ := io.ReadAll(b)
	fmt.Printf("%d %v %q\n", n, err, text)
	// Output:
	// 13 <nil> "head and body"
}

func ExampleTCPConn_SetReadDeadline() {
	weir, _ := aio.New(aio.Options{})
	defer weir.Close()
	a, b := pair(weir) // a connection and its peer
	defer a.Close()
	defer b.Close()
	a.SetReadDeadline(time.Now().Add(5 * time.Millisecond))
	_, err := a.Read(make([]byte, 1))
	fmt.Println(errors.Is(err, os.ErrDeadlineExceeded))
	// Output:
	// true
}

// Many packets take one system call each way.
func ExampleUDPConn_ReadBatch() {
	weir, _ := aio.New(aio.Options{})
	defer weir.Close()
	local := &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)}
	a, b := must(weir.ListenUDP("udp", local)), must(weir.ListenUDP("udp", local))
	defer a.Close()
	defer b.Close()
	to := netip.MustParseAddrPort(b.LocalAddr().String())
	packets := []aio.Packet{{Buf: []byte("one"), Addr: to}, {Buf: []byte("two"), Addr: to}}
	sent, err := a.WriteBatch(context.Background(), packets)
	fmt.Println("sent", sent, err)

	packets = make([]aio.Packet, 8)
	for i := range packets {
		packets[i].Buf = make([]byte, 1500)
	}
	for got := 0; got < sent; {
		n, err := b.ReadBatch(context.Background(), packets)
		if err != nil {
			fmt.Println(err)
			return
		}
		for _, p := range packets[:n] {
			fmt.Printf("%s\n", p.Buf[:p.N])
		}
		got += n
	}
	// Output:
	// sent 2 <nil>
	// one
	// two
}

// Sleep ends early with its context.
func ExampleIO_Sleep() {
	weir, _ := aio.New(aio.Options{})
	defer weir.Close()
	fmt.Println(weir.Sleep(context.Background(), time.Millisecond))
	ctx, cancel := context.WithCancelCause(context.Background())
	time.AfterFunc(time.Millisecond, func() { cancel(errors.New("woken")) })
	fmt.Println(weir.Sleep(ctx, time.Hour))
	// Output:
	// <nil>
	// woken
}

// A notification that comes before the wait is not lost.
func ExampleEvent() {
	weir, _ := aio.New(aio.Options{})
	defer weir.Close()
	e := weir.NewEvent()
	e.Notify()
	fmt.Println(e.Wait(context.Background()))
	e.Close()
	fmt.Println(errors.Is(e.Wait(context.Background()), net.ErrClosed))
	// Output:
	// <nil>
	// true
}

func ExampleFile_ReadAt() {
	weir, _ := aio.New(aio.Options{})
	defer weir.Close()
	f := must(weir.CreateTemp("", "example"))
	defer os.Remove(f.Name())
	defer f.Close()
	f.WriteString("0123456789")
	p := make([]byte, 4)
	n, err := f.ReadAt(p, 3)
	fmt.Printf("%s %v\n", p[:n], err)
	n, err = f.ReadAt(p, 8)
	fmt.Printf("%s %v\n", p[:n], err)
	// Output:
	// 3456 <nil>
	// 89 EOF
}

// A read of a pipe waits with a context, or a deadline.
func ExampleFile_ReadContext() {
	weir, _ := aio.New(aio.Options{})
	defer weir.Close()
	r, w, err := weir.Pipe()
	if err != nil {
		fmt.Println(err)
		return
	}
	defer r.Close()
	defer w.Close()
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Millisecond)
	defer cancel()
	_, err = r.ReadContext(ctx, make([]byte, 1))
	fmt.Println(errors.Is(err, context.DeadlineExceeded))
	// Output:
	// true
}

// The end of a pipe for a process is an *os.File.
func ExampleFile_Detach() {
	weir, _ := aio.New(aio.Options{})
	defer weir.Close()
	r, w, err := weir.Pipe()
	if err != nil {
		fmt.Println(err)
		return
	}
	defer r.Close()
	stdout, err := w.Detach() // w has ended
	if err != nil {
		fmt.Println(err)
		return
	}
	cmd := exec.Command("echo", "from a process")
	cmd.Stdout = stdout
	err = cmd.Start()
	stdout.Close() // the process has its own
	if err != nil {
		fmt.Println(err)
		return
	}
	text, err := io.ReadAll(r)
	fmt.Printf("%q %v %v\n", text, err, cmd.Wait())
	// Output:
	// "from a process\n" <nil> <nil>
}

// FromFile takes the descriptor over.
func ExampleIO_FromFile() {
	weir, _ := aio.New(aio.Options{})
	defer weir.Close()
	r, w, err := os.Pipe()
	if err != nil {
		fmt.Println(err)
		return
	}
	f, err := weir.FromFile(r)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer f.Close()
	w.WriteString("bytes")
	w.Close()
	text, err := io.ReadAll(f)
	fmt.Printf("%s %v\n", text, err)
	// Output:
	// bytes <nil>
}

// A list of operations: the second starts when the first has succeeded.
func ExampleIO_Do() {
	weir, _ := aio.New(aio.Options{})
	defer weir.Close()
	f := must(weir.CreateTemp("", "example"))
	defer os.Remove(f.Name())
	defer f.Close()
	write := op.Write(-1, []byte("record"), 0).On(f)
	err := weir.Do(context.Background(), write.Link(), op.Fdatasync(-1).On(f))
	fmt.Println(write.N, err)
	// Output:
	// 6 <nil>
}

// The error of a list says which operation failed.
func ExampleIO_Do_error() {
	weir, _ := aio.New(aio.Options{})
	defer weir.Close()
	open := op.Open(op.CWD, "no such file", os.O_RDONLY, 0)
	read := op.Read(-1, make([]byte, 10), 0).From(open)
	err := weir.Do(context.Background(), open.Link(), read)
	which := new(op.Error)
	fmt.Println(errors.As(err, &which), which.Index, errors.Is(err, os.ErrNotExist))
	fmt.Println(errors.Is(read.Err, op.ErrSkipped))
	// Output:
	// true 0 true
	// true
}

// Start does not wait; Cancel asks for the end of what is not done.
func ExampleIO_Start() {
	weir, _ := aio.New(aio.Options{})
	defer weir.Close()
	sleep := op.Timeout(time.Hour)
	b := weir.Start(sleep)
	b.Cancel()
	err := b.Wait(context.Background())
	fmt.Println(errors.Is(err, op.ErrCanceled), errors.Is(sleep.Err, op.ErrCanceled))
	// Output:
	// true true
}

// Memory that the kernel is told of once, if it can be.
func ExampleIO_RegisterBuffers() {
	weir, _ := aio.New(aio.Options{})
	defer weir.Close()
	pool, err := weir.RegisterBuffers(4, 4096)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer pool.Close()
	b, err := pool.Get(context.Background())
	if err != nil {
		fmt.Println(err)
		return
	}
	defer b.Release()
	f := must(weir.CreateTemp("", "example"))
	defer os.Remove(f.Name())
	defer f.Close()
	f.WriteString("content")
	read := op.ReadFixed(-1, b, 0).On(f)
	err = weir.Do(context.Background(), read)
	fmt.Printf("%s %v\n", b.Bytes()[:read.N], err)
	// Output:
	// content <nil>
}

func ExampleIO_RegisterFile() {
	weir, _ := aio.New(aio.Options{})
	defer weir.Close()
	std := must(os.CreateTemp("", "example"))
	defer os.Remove(std.Name())
	file, err := weir.RegisterFile(int(std.Fd()))
	if err != nil {
		fmt.Println(err)
		return
	}
	std.Close() // file has a descriptor of its own
	write := op.Write(-1, []byte("hello"), 0).SetFile(file)
	err = weir.Do(context.Background(), write)
	fmt.Println(write.N, err, file.Close())
	// Output:
	// 5 <nil> <nil>
}

func ExampleIO_WaitProcess() {
	weir, _ := aio.New(aio.Options{})
	defer weir.Close()
	cmd := exec.Command("sh", "-c", "exit 3")
	if err := cmd.Start(); err != nil {
		fmt.Println(err)
		return
	}
	state, err := weir.WaitProcess(context.Background(), cmd.Process)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(state.ExitCode())
	// Output:
	// 3
}

// Shutdown ends the calls that wait.
func ExampleIO_Shutdown() {
	weir, _ := aio.New(aio.Options{})
	a, b := pair(weir) // a connection and its peer
	defer a.Close()
	defer b.Close()
	ended := make(chan error)
	go func() {
		_, err := a.Read(make([]byte, 1))
		ended <- err
	}()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	fmt.Println(weir.Shutdown(ctx))
	fmt.Println(errors.Is(<-ended, net.ErrClosed))
	// Output:
	// <nil>
	// true
}

// What a program got, and why.
func ExampleIO_Info() {
	weir, err := aio.New(aio.Options{Backend: "portable"})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer weir.Close()
	info := weir.Info()
	fmt.Println(info.Backend, info.Waits)
	// Output:
	// portable portable
}
