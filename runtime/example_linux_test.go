package runtime_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"syscall"
	"time"

	"github.com/weirgo/weir/backends"
	aiort "github.com/weirgo/weir/runtime"
)

// onThread runs f on a goroutine of its own: a loop belongs to the goroutine that calls Run first,
// and keeps its thread.
func onThread(f func()) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		f()
	}()
	<-done
}

// A loop calls a function when an operation is over. Run returns when nothing is left to wait for.
func ExampleLoop_Submit() {
	onThread(func() {
		loop, err := aiort.NewLoop(aiort.Options{})
		if err != nil {
			fmt.Println(err)
			return
		}
		defer loop.Close()
		f, err := os.CreateTemp("", "example")
		if err != nil {
			fmt.Println(err)
			return
		}
		defer os.Remove(f.Name())
		defer f.Close()
		c := &aiort.Completion{
			Op: backends.Op{Code: backends.OpWrite, FD: int(f.Fd()), Buf: []byte("hello")},
			Callback: func(c *aiort.Completion) aiort.Action {
				fmt.Println(c.N(), c.Err())
				return aiort.Disarm
			},
		}
		if err := loop.Submit(c); err != nil {
			fmt.Println(err)
		}
		fmt.Println(loop.Run(aiort.UntilDone))
	})
	// Output:
	// 5 <nil>
	// <nil>
}

// A Completion that is in flight is not submitted again.
func ExampleLoop_Submit_twice() {
	onThread(func() {
		loop, err := aiort.NewLoop(aiort.Options{})
		if err != nil {
			fmt.Println(err)
			return
		}
		defer loop.Close()
		c := &aiort.Completion{
			Op:       backends.Op{Code: backends.OpNop},
			Callback: func(*aiort.Completion) aiort.Action { return aiort.Disarm },
		}
		fmt.Println(loop.Submit(c))
		fmt.Println(errors.Is(loop.Submit(c), aiort.ErrInFlight))
		fmt.Println(loop.Run(aiort.UntilDone), c.InFlight())
	})
	// Output:
	// <nil>
	// true
	// <nil> false
}

// What is cancelled ends with ErrCanceled, through its callback as always.
func ExampleLoop_Cancel() {
	onThread(func() {
		loop, err := aiort.NewLoop(aiort.Options{})
		if err != nil {
			fmt.Println(err)
			return
		}
		defer loop.Close()
		r, w, err := os.Pipe()
		if err != nil {
			fmt.Println(err)
			return
		}
		defer r.Close()
		defer w.Close()
		c := &aiort.Completion{
			Op: backends.Op{Code: backends.OpRead, FD: int(r.Fd()), Buf: make([]byte, 1), Off: backends.Stream},
			Callback: func(c *aiort.Completion) aiort.Action {
				fmt.Println(errors.Is(c.Err(), aiort.ErrCanceled))
				return aiort.Disarm
			},
		}
		loop.Submit(c)
		var timer aiort.Timer
		timer.Start(loop, time.Millisecond, func(*aiort.Timer) aiort.Action {
			loop.Cancel(c)
			return aiort.Disarm
		})
		fmt.Println(loop.Run(aiort.UntilDone))
	})
	// Output:
	// true
	// <nil>
}

// A deadline ends the operation in flight.
func ExampleCompletion_SetDeadline() {
	onThread(func() {
		loop, err := aiort.NewLoop(aiort.Options{})
		if err != nil {
			fmt.Println(err)
			return
		}
		defer loop.Close()
		r, w, err := os.Pipe()
		if err != nil {
			fmt.Println(err)
			return
		}
		defer r.Close()
		defer w.Close()
		c := &aiort.Completion{
			Op: backends.Op{Code: backends.OpPoll, FD: int(r.Fd()), Flags: 1}, // POLLIN
			Callback: func(c *aiort.Completion) aiort.Action {
				fmt.Println(errors.Is(c.Err(), os.ErrDeadlineExceeded))
				return aiort.Disarm
			},
		}
		c.SetDeadline(loop.Now() + int64(time.Millisecond))
		loop.Submit(c)
		fmt.Println(loop.Run(aiort.UntilDone))
	})
	// Output:
	// true
	// <nil>
}

// A timer fires again for as long as its function returns Rearm.
func ExampleTimer() {
	onThread(func() {
		loop, err := aiort.NewLoop(aiort.Options{})
		if err != nil {
			fmt.Println(err)
			return
		}
		defer loop.Close()
		var timer aiort.Timer
		n := 0
		timer.Start(loop, time.Millisecond, func(*aiort.Timer) aiort.Action {
			if n++; n == 3 {
				return aiort.Disarm
			}
			return aiort.Rearm
		})
		fmt.Println(loop.Run(aiort.UntilDone), n, timer.Armed())
	})
	// Output:
	// <nil> 3 false
}

// Any goroutine wakes a loop with an Async.
func ExampleAsync() {
	onThread(func() {
		loop, err := aiort.NewLoop(aiort.Options{})
		if err != nil {
			fmt.Println(err)
			return
		}
		defer loop.Close()
		var wake aiort.Async
		wake.Start(loop, func(*aiort.Async) aiort.Action {
			fmt.Println("woken")
			return aiort.Disarm
		})
		go wake.Notify()
		fmt.Println(loop.Run(aiort.UntilDone))
	})
	// Output:
	// woken
	// <nil>
}

// Post runs a function on the loop's thread.
func ExampleLoop_Post() {
	onThread(func() {
		loop, err := aiort.NewLoop(aiort.Options{})
		if err != nil {
			fmt.Println(err)
			return
		}
		defer loop.Close()
		loop.Post(func() { fmt.Println("on the thread") })
		fmt.Println(loop.Run(aiort.UntilDone))
	})
	// Output:
	// on the thread
	// <nil>
}

// What blocks runs on a pool; the callback is on the loop's thread.
func ExampleLoop_Blocking() {
	onThread(func() {
		loop, err := aiort.NewLoop(aiort.Options{})
		if err != nil {
			fmt.Println(err)
			return
		}
		defer loop.Close()
		var name string
		c := &aiort.Completion{Callback: func(*aiort.Completion) aiort.Action {
			fmt.Println(name)
			return aiort.Disarm
		}}
		loop.Blocking(c, func() { name = net.JoinHostPort("localhost", "80") })
		fmt.Println(loop.Run(aiort.UntilDone))
	})
	// Output:
	// localhost:80
	// <nil>
}

// A multishot accept reports one connection after the other.
func ExampleCompletion_More() {
	onThread(func() {
		loop, err := aiort.NewLoop(aiort.Options{})
		if err != nil {
			fmt.Println(err)
			return
		}
		defer loop.Close()
		ln, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			fmt.Println(err)
			return
		}
		defer ln.Close()
		file, err := ln.(*net.TCPListener).File()
		if err != nil {
			fmt.Println(err)
			return
		}
		defer file.Close()
		n := 0
		accept := &aiort.Completion{
			Op: backends.Op{Code: backends.OpAccept, FD: int(file.Fd()), Flags: syscall.SOCK_CLOEXEC, Multi: true},
			Callback: func(c *aiort.Completion) aiort.Action {
				if c.Err() == nil {
					n++
					syscall.Close(c.N())
				}
				if n < 2 && c.More() {
					return aiort.Rearm // go on
				}
				return aiort.Disarm // cancelled; called once more, with the end
			},
		}
		loop.Submit(accept)
		for range 2 {
			conn, err := net.Dial("tcp", ln.Addr().String())
			if err != nil {
				fmt.Println(err)
				return
			}
			defer conn.Close()
		}
		fmt.Println(loop.Run(aiort.UntilDone), n)
	})
	// Output:
	// <nil> 2
}

// Goroutines wait for operations on the loops of a Runtime.
func ExampleLoop_Do() {
	rt, err := aiort.New(aiort.Options{})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer rt.Close()
	loop, err := rt.AnyWorker(0)
	if err != nil {
		fmt.Println(err)
		return
	}
	c := &aiort.Completion{Op: backends.Op{Code: backends.OpNop}}
	fmt.Println(loop.Do(context.Background(), c))
	// Output:
	// <nil>
}
