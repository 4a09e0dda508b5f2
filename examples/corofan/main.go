//go:build linux

// Command corofan asks several addresses at once and prints what each answers first: a fan-out of
// coroutines on one thread, at most four at a time, each with a time limit.
//
//	go run ./examples/corofan [-timeout 2s] ADDRESS...
//
// Every address gets one line, in the order of the arguments. If all fail, so does the program.
package main

import (
	"bufio"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/weirgo/weir/aio"
	"github.com/weirgo/weir/coro"
)

func main() {
	switch err := run(context.Background(), os.Args[1:], os.Stdout); {
	case errors.Is(err, flag.ErrHelp):
	case err != nil:
		fmt.Fprintln(os.Stderr, "corofan:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string, stdout io.Writer) error {
	flags := flag.NewFlagSet("corofan", flag.ContinueOnError)
	limit := flags.Duration("timeout", 2*time.Second, "how long one address may take")
	if err := flags.Parse(args); err != nil {
		return err
	}
	weir, err := aio.New(aio.Options{})
	if err != nil {
		return err
	}
	defer weir.Close()
	s, err := coro.New(coro.Options{IO: weir, Name: "corofan"})
	if err != nil {
		return err
	}
	defer s.Close()
	all := coro.Spawn(s, func(t *coro.Task) ([]answer, error) { return ask(t, flags.Args(), *limit) })
	answers, err := all.Wait(ctx)
	for _, a := range answers {
		if a.err != nil {
			fmt.Fprintf(stdout, "%s: %v\n", a.address, a.err)
		} else {
			fmt.Fprintf(stdout, "%s: %s", a.address, a.line)
		}
	}
	return err
}

// answer is what one address said.
type answer struct {
	address, line string
	err           error
}

// ask asks all addresses and waits for all answers. No lock guards them: the tasks of a scheduler
// run one at a time.
func ask(t *coro.Task, addresses []string, limit time.Duration) ([]answer, error) {
	answers := make([]answer, len(addresses))
	failed := 0
	g := coro.NewGroup(t)
	g.SetLimit(4)
	for i, address := range addresses {
		err := g.Go(func(t *coro.Task) error {
			a := &answers[i]
			a.address = address
			a.err = t.Timeout(limit, func() (err error) { a.line, err = firstLine(t, address); return err })
			if a.err != nil {
				failed++
			}
			return nil // one that fails does not concern the others
		}, coro.Name(address))
		if err != nil {
			return nil, errors.Join(err, g.Wait())
		}
	}
	if err := g.Wait(); err != nil {
		return nil, err
	}
	if failed == len(addresses) {
		return answers, errors.New("nobody answered")
	}
	return answers, nil
}

// firstLine connects and reads a line.
func firstLine(t *coro.Task, address string) (string, error) {
	c, err := t.Dial("tcp", address)
	if err != nil {
		return "", err
	}
	defer c.Close()
	return bufio.NewReader(c).ReadString('\n')
}
