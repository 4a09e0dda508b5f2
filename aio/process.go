package aio

import (
	"context"
	"os"
)

// WaitProcess waits until p, a child of this process, has ended, releases its resources and returns
// how it ended: it is p.Wait with a context. If ctx ends first it returns the cause, and p can be
// waited for again. Only one goroutine may wait for a process. Errors are those of p.Wait: ECHILD
// for a process that has been waited for and for one that is not a child. As after p.Wait,
// exec.Cmd.Wait then closes the pipes of the command, waits for what copies from and to them, and
// returns ECHILD, because the state has been returned already.
//
// On Linux a loop watches the process through the descriptor that package os has of it. So a call
// holds no thread and needs no descriptor, and it cannot confuse the process with another that has
// got its number. Built with Go 1.25, it opens a descriptor. If there is none (Linux before 5.4, no
// descriptor left, other systems) a goroutine waits in p.Wait. A call whose context has ended then
// leaves that goroutine behind until the process ends, and later calls fail, because that goroutine
// gets the result.
func (io *IO) WaitProcess(ctx context.Context, p *os.Process) (*os.ProcessState, error) {
	mustContext(ctx)
	io.running()
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	switch watched, err := io.awaitExit(ctx, p); {
	case err != nil:
		return nil, err
	case watched:
		return p.Wait() // it does not block any more
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

// WaitProcess is [IO.WaitProcess] on [Default].
func WaitProcess(ctx context.Context, p *os.Process) (*os.ProcessState, error) {
	return Default().WaitProcess(ctx, p)
}
