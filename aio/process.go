package aio

import (
	"context"
	"os"
)

// WaitProcess waits until p, a child of this process, has ended, releases what belongs to it and says how it ended: it is
// p.Wait with a context. When ctx ends first it returns the cause of that, and p can be waited for again. Only one
// goroutine may wait for a process.
//
// On Linux a loop watches the process, so that one that waits holds no thread. On Linux before 5.3 and on other systems a
// goroutine waits in p.Wait; there a call whose context has ended leaves it behind until the process ends, and later calls
// fail, because it is that goroutine which learns how.
func (io *IO) WaitProcess(ctx context.Context, p *os.Process) (*os.ProcessState, error) {
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	switch watched, err := io.awaitExit(ctx, p.Pid); {
	case err != nil:
		return nil, err
	case watched:
		return p.Wait() // which does not block any more
	}
	type exit struct {
		state *os.ProcessState
		err   error
	}
	c := make(chan exit, 1)
	go func() {
		state, err := p.Wait()
		c <- exit{state, err}
	}()
	select {
	case e := <-c:
		return e.state, e.err
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}

// WaitProcess is IO.WaitProcess on Default().
func WaitProcess(ctx context.Context, p *os.Process) (*os.ProcessState, error) {
	return Default().WaitProcess(ctx, p)
}
