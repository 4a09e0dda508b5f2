//go:build !weir_portable

package op_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"time"

	"github.com/weirgo/weir/aio"
	"github.com/weirgo/weir/aio/op"
)

// A chain: each operation starts when the one before it has succeeded. The descriptor that Open
// makes is that of the operations that take it From there.
func Example() {
	weir, _ := aio.New(aio.Options{})
	defer weir.Close()
	dir, _ := os.MkdirTemp("", "example")
	defer os.RemoveAll(dir)

	open := op.Open(op.CWD, dir+"/file", os.O_CREATE|os.O_RDWR, 0o600)
	write := op.Write(-1, []byte("hello"), 0).From(open)
	err := weir.Do(context.Background(), open.Link(), write.Link(), op.Fdatasync(-1).From(open))
	fmt.Println(write.N, err)
	fmt.Println(weir.Do(context.Background(), op.Close(open.N)))
	// Output:
	// 5 <nil>
	// <nil>
}

// What is linked to an operation that fails does not start.
func ExampleOp_Link() {
	weir, _ := aio.New(aio.Options{})
	defer weir.Close()
	first := op.Rename(op.CWD, "there is no such file", op.CWD, "x", 0)
	second := op.Nop()
	err := weir.Do(context.Background(), first.Link(), second)
	fmt.Println(errors.Is(err, os.ErrNotExist))
	fmt.Println(errors.Is(second.Err, op.ErrSkipped))
	// Output:
	// true
	// true
}

// On keeps an open file open while the operation is in flight.
func ExampleOp_On() {
	weir, _ := aio.New(aio.Options{})
	defer weir.Close()
	f, err := weir.CreateTemp("", "example")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.Remove(f.Name())
	write := op.Write(-1, []byte("hello"), 0).On(f)
	fmt.Println(weir.Do(context.Background(), write), write.N)
	f.Close()
	err = weir.Do(context.Background(), write) // an Op is submitted as often as one likes
	fmt.Println(errors.Is(err, os.ErrClosed))
	// Output:
	// <nil> 5
	// true
}

// A limit of time for the operation before it.
func ExampleLinkTimeout() {
	weir, _ := aio.New(aio.Options{})
	defer weir.Close()
	r, w, err := weir.Pipe()
	if err != nil {
		fmt.Println(err)
		return
	}
	defer r.Close()
	defer w.Close()
	read := op.Read(-1, make([]byte, 1), op.Stream).On(r) // nothing comes
	err = weir.Do(context.Background(), read.Link(), op.LinkTimeout(5*time.Millisecond))
	fmt.Println(errors.Is(err, os.ErrDeadlineExceeded), errors.Is(read.Err, os.ErrDeadlineExceeded))
	// Output:
	// true true
}

func ExampleTimeout() {
	weir, _ := aio.New(aio.Options{})
	defer weir.Close()
	begin := time.Now()
	o := op.Timeout(2 * time.Millisecond)
	fmt.Println(weir.Do(context.Background(), o), time.Since(begin) >= 2*time.Millisecond)
	// Output:
	// <nil> true
}

// The target's own result says what became of it.
func ExampleCancel() {
	weir, _ := aio.New(aio.Options{})
	defer weir.Close()
	sleep := op.Timeout(time.Hour)
	b := weir.Start(sleep)
	for weir.Do(context.Background(), op.Cancel(sleep)) != nil {
		time.Sleep(time.Millisecond) // the loop has not begun it yet
	}
	b.Wait(context.Background())
	fmt.Println(errors.Is(sleep.Err, op.ErrCanceled))
	// Output:
	// true
}

// An operation of a list waits for a goroutine.
func ExampleEventWait() {
	weir, _ := aio.New(aio.Options{})
	defer weir.Close()
	var e op.Event
	after := op.Nop()
	b := weir.Start(op.EventWait(&e).Link(), after)
	e.Notify()
	fmt.Println(b.Wait(context.Background()), after.Err)
	// Output:
	// <nil> <nil>
}

// The error of a list names the first operation in it that failed.
func ExampleError() {
	weir, _ := aio.New(aio.Options{})
	defer weir.Close()
	err := weir.Do(context.Background(), op.Nop(), op.Close(1<<20))
	which := new(op.Error)
	if errors.As(err, &which) {
		fmt.Println(which.Index, which.Op, which.Err)
	}
	// Output:
	// 1 close bad file descriptor
}

// Done is closed when all operations are over, so a goroutine waits for that among other things.
func ExampleBatch_Done() {
	weir, _ := aio.New(aio.Options{})
	defer weir.Close()
	b := weir.Start(op.Timeout(time.Millisecond))
	select {
	case <-b.Done():
		fmt.Println("over:", b.Wait(context.Background()))
	case <-time.After(10 * time.Second):
		fmt.Println("too late")
	}
	// Output:
	// over: <nil>
}

// A socket of one's own, by operations alone.
func ExampleSocket() {
	weir, _ := aio.New(aio.Options{})
	defer weir.Close()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer ln.Close()
	const afInet, sockStream = 2, 1
	socket := op.Socket(afInet, sockStream, 0)
	err = weir.Do(context.Background(), socket.Link(), op.Connect(-1, ln.Addr()).From(socket))
	fmt.Println(err)
	fmt.Println(weir.Do(context.Background(), op.CloseSocket(socket.N)))
	// Output:
	// <nil>
	// <nil>
}
