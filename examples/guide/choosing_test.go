//go:build linux

package guide_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"time"

	"github.com/weirgo/weir/aio"
	"github.com/weirgo/weir/aio/op"
	"github.com/weirgo/weir/backends"
	"github.com/weirgo/weir/coro"
	aiort "github.com/weirgo/weir/runtime"
)

// fanOut asks all addresses at the same time, in coroutines of one thread. No lock guards answers:
// tasks of a scheduler run one at a time.
func fanOut(ctx context.Context, s *coro.Scheduler, addresses []string) ([]string, error) {
	all := coro.Spawn(s, func(t *coro.Task) ([]string, error) {
		answers := make([]string, len(addresses))
		g := coro.NewGroup(t)
		for i, address := range addresses {
			g.Go(func(t *coro.Task) error {
				return t.Timeout(2*time.Second, func() error {
					conn, err := t.Dial("tcp", address)
					if err != nil {
						return err
					}
					defer conn.Close()
					answers[i], err = bufio.NewReader(conn).ReadString('\n')
					return err
				})
			})
		}
		return answers, g.Wait()
	})
	return all.Wait(ctx)
}

func Example_coroutines() {
	var addresses []string
	for _, name := range []string{"alpha", "beta"} {
		ln, err := aio.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			fmt.Println(err)
			return
		}
		defer ln.Close()
		go serve(ln, func(conn net.Conn) { fmt.Fprintln(conn, name) })
		addresses = append(addresses, ln.Addr().String())
	}
	s, err := coro.New(coro.Options{})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer s.Close()
	answers, err := fanOut(context.Background(), s, addresses)
	fmt.Printf("%q %v\n", answers, err)
	// Output:
	// ["alpha\n" "beta\n"] <nil>
}

// readHeads reads the first n bytes of many files: all operations leave together.
func readHeads(ctx context.Context, files []*aio.File, n int) ([][]byte, error) {
	heads := make([][]byte, len(files))
	reads := make([]*op.Op, len(files))
	for i, f := range files {
		heads[i] = make([]byte, n)
		reads[i] = op.Read(-1, heads[i], 0).On(f)
	}
	err := aio.Do(ctx, reads...)
	for i, r := range reads {
		heads[i] = heads[i][:r.N]
	}
	return heads, err
}

func Example_lists() {
	var files []*aio.File
	for _, text := range []string{"first file", "second"} {
		f, err := aio.CreateTemp("", "guide")
		if err != nil {
			fmt.Println(err)
			return
		}
		defer os.Remove(f.Name())
		defer f.Close()
		f.WriteString(text)
		files = append(files, f)
	}
	heads, err := readHeads(context.Background(), files, 8)
	fmt.Printf("%q %v\n", heads, err)

	which := new(op.Error)
	files[1].Close()
	_, err = readHeads(context.Background(), files, 8)
	fmt.Println(errors.As(err, &which), which.Index, errors.Is(err, os.ErrClosed))
	// Output:
	// ["first fi" "second"] <nil>
	// true 1 true
}

func Example_callbacks() {
	loop, err := aiort.NewLoop(aiort.Options{})
	if err != nil {
		fmt.Println(err)
		return
	}
	read := &aiort.Completion{Callback: func(c *aiort.Completion) aiort.Action {
		fmt.Printf("%q %v\n", c.Op.Buf[:c.N()], c.Err())
		return aiort.Disarm
	}}
	f, err := os.Open("/proc/self/comm")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer f.Close()
	read.Op = backends.Op{Code: backends.OpRead, FD: int(f.Fd()), Buf: make([]byte, 5)}
	if err := loop.Submit(read); err != nil {
		fmt.Println(err)
	}
	ended := make(chan error)
	go func() { // the loop keeps the goroutine's thread
		ended <- errors.Join(loop.Run(aiort.UntilDone), loop.Close())
	}()
	fmt.Println(<-ended)
	// Output:
	// "guide" <nil>
	// <nil>
}
