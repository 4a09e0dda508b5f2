//go:build !weir_portable

package coro_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/weirgo/weir/aio"
	"github.com/weirgo/weir/aio/op"
	"github.com/weirgo/weir/coro"
)

// inTask runs f as a task of a scheduler, which has an IO of its own.
func inTask(f func(t *coro.Task) error) {
	weir, err := aio.New(aio.Options{})
	if err != nil {
		panic(err)
	}
	defer weir.Close()
	s, err := coro.New(coro.Options{IO: weir})
	if err != nil {
		panic(err)
	}
	defer s.Close()
	h := coro.Spawn(s, func(t *coro.Task) (struct{}, error) { return struct{}{}, f(t) })
	if _, err := h.Wait(context.Background()); err != nil {
		fmt.Println("error:", err)
	}
}

// A server and its client are coroutines of one thread.
func Example() {
	weir, err := aio.New(aio.Options{})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer weir.Close()
	ln, err := weir.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer ln.Close()
	s, err := coro.New(coro.Options{IO: weir})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer s.Close()

	coro.Spawn(s, func(t *coro.Task) (struct{}, error) {
		accepted, err := t.Listener(ln).Accept() // parks this task; the thread runs others
		if err != nil {
			return struct{}{}, err
		}
		conn := t.Conn(accepted) // this task's view of the connection
		defer conn.Close()
		line, err := bufio.NewReader(conn).ReadString('\n')
		fmt.Fprintf(conn, "you say %s", line)
		return struct{}{}, err
	}).Detach()

	client := coro.Spawn(s, func(t *coro.Task) (string, error) {
		conn, err := t.Dial("tcp", ln.Addr().String())
		if err != nil {
			return "", err
		}
		defer conn.Close()
		fmt.Fprintln(conn, "hello")
		return bufio.NewReader(conn).ReadString('\n')
	})
	fmt.Println(client.Wait(context.Background()))
	// Output:
	// you say hello
	//  <nil>
}

// The result of a task is waited for by its handle.
func ExampleSpawn() {
	inTask(func(t *coro.Task) error {
		double := coro.Spawn(t, func(t *coro.Task) (int, error) {
			return 42, t.Sleep(time.Millisecond)
		}, coro.Name("double"))
		n, err := double.Wait(t)
		fmt.Println(n, err, double.Over())
		return nil
	})
	// Output:
	// 42 <nil> true
}

// A cancelled task's waits fail.
func ExampleHandle_Cancel() {
	inTask(func(t *coro.Task) error {
		h := coro.Spawn(t, func(t *coro.Task) (int, error) { return 0, t.Sleep(time.Hour) })
		t.Yield() // it sleeps now
		h.Cancel()
		_, err := h.Wait(t)
		fmt.Println(errors.Is(err, coro.ErrCanceled))
		return nil
	})
	// Output:
	// true
}

// The first of a group that fails has the others cancelled.
func ExampleGroup() {
	inTask(func(t *coro.Task) error {
		g := coro.NewGroup(t)
		g.Go(func(t *coro.Task) error {
			err := t.Sleep(time.Hour)
			fmt.Println("the other:", errors.Is(err, coro.ErrCanceled))
			return err
		})
		g.Go(func(t *coro.Task) error { return errors.New("failed") })
		fmt.Println(g.Wait())
		return nil
	})
	// Output:
	// the other: true
	// failed
}

// The first answer counts.
func ExampleRace() {
	inTask(func(t *coro.Task) error {
		who, err := coro.Race(t,
			func(t *coro.Task) (string, error) { return "slow", t.Sleep(time.Hour) },
			func(t *coro.Task) (string, error) { return "fast", t.Sleep(time.Millisecond) },
		)
		fmt.Println(who, err)
		return nil
	})
	// Output:
	// fast <nil>
}

// Values pass between coroutines and goroutines: the context says which of them waits.
func ExampleQueue() {
	q := coro.NewQueue[int](2)
	go func() { // a goroutine
		for i := range 3 {
			q.Send(context.Background(), i)
		}
		q.Close()
	}()
	inTask(func(t *coro.Task) error { // a coroutine
		for {
			n, err := q.Recv(t)
			if errors.Is(err, coro.ErrClosed) {
				return nil
			}
			if err != nil {
				return err
			}
			fmt.Println(n)
		}
	})
	// Output:
	// 0
	// 1
	// 2
}

// Select waits for the first of several.
func ExampleSelect() {
	inTask(func(t *coro.Task) error {
		numbers, words := coro.NewQueue[int](1), coro.NewQueue[string](1)
		words.TrySend("word")
		var n int
		var w string
		which, err := coro.Select(t,
			coro.RecvFrom(numbers, &n, nil),
			coro.RecvFrom(words, &w, nil),
			coro.After(time.Second),
		)
		fmt.Println(which, w, err)
		return nil
	})
	// Output:
	// 1 word <nil>
}

// A limit of time for a part of a task.
func ExampleTask_Timeout() {
	inTask(func(t *coro.Task) error {
		err := t.Timeout(time.Millisecond, func() error { return t.Sleep(time.Hour) })
		fmt.Println(errors.Is(err, os.ErrDeadlineExceeded))
		fmt.Println(t.Sleep(time.Millisecond)) // the task goes on
		return nil
	})
	// Output:
	// true
	// <nil>
}

// What must be done although the task is cancelled is done under Mask.
func ExampleTask_Mask() {
	inTask(func(t *coro.Task) error {
		h := coro.Spawn(t, func(t *coro.Task) (int, error) {
			err := t.Sleep(time.Hour)
			t.Mask(func() { fmt.Println("clean up:", t.Sleep(time.Millisecond)) })
			return 0, err
		})
		t.Yield()
		h.Cancel()
		_, err := h.Wait(t)
		fmt.Println(errors.Is(err, coro.ErrCanceled))
		return nil
	})
	// Output:
	// clean up: <nil>
	// true
}

// A task's operations leave with those of other tasks.
func ExampleTask_Do() {
	inTask(func(t *coro.Task) error {
		f, err := t.Scheduler().IO().CreateTemp("", "example")
		if err != nil {
			return err
		}
		defer os.Remove(f.Name())
		defer f.Close()
		buf := make([]byte, 4)
		read := op.Read(-1, buf, 0).On(f)
		err = t.Do(op.Write(-1, []byte("data"), 0).On(f).Link(), read)
		fmt.Println(string(buf[:read.N]), err)
		return nil
	})
	// Output:
	// data <nil>
}

// What blocks, or computes for long, runs on a pool of goroutines meanwhile.
func ExampleBlocking() {
	inTask(func(t *coro.Task) error {
		sum, err := coro.Blocking(t, func(ctx context.Context) (int, error) {
			n := 0
			for i := range 1000 {
				n += i
			}
			return n, nil
		})
		fmt.Println(sum, err)
		return nil
	})
	// Output:
	// 499500 <nil>
}

// A Mutex may be held while its task waits.
func ExampleMutex() {
	inTask(func(t *coro.Task) error {
		var mu coro.Mutex
		n := 0
		g := coro.NewGroup(t)
		for range 3 {
			g.Go(func(t *coro.Task) error {
				if err := mu.Lock(t); err != nil {
					return err
				}
				defer mu.Unlock()
				before := n
				if err := t.Sleep(time.Millisecond); err != nil {
					return err
				}
				n = before + 1
				return nil
			})
		}
		fmt.Println(g.Wait(), n)
		return nil
	})
	// Output:
	// <nil> 3
}

// A Semaphore bounds how many are at it.
func ExampleSemaphore() {
	inTask(func(t *coro.Task) error {
		sem := coro.NewSemaphore(2)
		now, most := 0, 0
		g := coro.NewGroup(t)
		for range 5 {
			g.Go(func(t *coro.Task) error {
				if err := sem.Acquire(t, 1); err != nil {
					return err
				}
				defer sem.Release(1)
				now++
				most = max(most, now)
				err := t.Sleep(time.Millisecond)
				now--
				return err
			})
		}
		fmt.Println(g.Wait(), most)
		return nil
	})
	// Output:
	// <nil> 2
}

// An Event is a flag that any number of tasks and goroutines wait for.
func ExampleEvent() {
	inTask(func(t *coro.Task) error {
		var ready coro.Event
		go ready.Set() // a goroutine
		fmt.Println(ready.Wait(t), ready.IsSet())
		return nil
	})
	// Output:
	// <nil> true
}

func ExampleWaitGroup() {
	inTask(func(t *coro.Task) error {
		var wg coro.WaitGroup
		n := 0
		for range 4 {
			wg.Add(1)
			coro.Spawn(t, func(t *coro.Task) (int, error) {
				defer wg.Done()
				n++
				return n, t.Sleep(time.Millisecond)
			}).Detach()
		}
		fmt.Println(wg.Wait(t), n)
		return nil
	})
	// Output:
	// <nil> 4
}
