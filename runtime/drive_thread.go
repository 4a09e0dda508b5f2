package runtime

import (
	"sync/atomic"

	"github.com/weirgo/weir/backends"
	"github.com/weirgo/weir/internal/sys"
)

// threadDrive is how a loop runs on a goroutine that is locked to its OS thread.
type threadDrive struct {
	running atomic.Bool
	stop    atomic.Bool
	id      int // the thread that called Run first; 0: none yet
}

// serve is the goroutine of a loop that belongs to a Runtime. It reports on ready whether the
// backend works.
func (l *Loop) serve(ready chan<- error) {
	lockThread()
	defer unlockThread()
	err := l.bind()
	ready <- err
	if err != nil {
		l.endErr = l.be.Close()
		close(l.ended)
		return
	}
	pools, files := l.known()
	for _, p := range pools {
		l.registerHere(p)
	}
	for _, f := range files {
		l.registerFileHere(f)
	}
	ended := false
	defer func() {
		if !ended { // a callback has ended the goroutine, and the backend is bound to its thread
			go func() {
				l.lose(errGoexit)
				l.drain()
			}()
		}
	}()
	l.drain()
	ended = true
}

// drain runs turns until the loop has been closed and everything in flight has come back, then
// closes the backend. The thread must not end before that, because its operations would end with
// it.
func (l *Loop) drain() {
	for !l.finished() {
		l.surviveTurn()
	}
	l.endErr = l.be.Close()
	close(l.ended)
}

// surviveTurn is turnThread. On a loop of a Runtime a callback that panics is reported, and the
// next turn continues after it.
func (l *Loop) surviveTurn() {
	defer l.survive()
	l.turnThread(backends.Forever)
}

// turnThread runs one tick and resolves its outcomes.
func (l *Loop) turnThread(deadline int64) {
	if len(l.done) > 0 { // left by a callback that panicked, or started again and over at once
		l.dispatch()
		deadline = backends.NoWait // that may have been all there was to wait for
	}
	l.tick(deadline)
	l.dispatch()
}

func (l *Loop) bind() error {
	l.thread.id = sys.ThreadID()
	return l.be.Bind(true)
}

// RunMode says how long Run runs.
type RunMode int

const (
	NoWait    RunMode = iota // one turn, without blocking
	Once                     // until at least one callback has run, or nothing is left to wait for
	UntilDone                // until nothing is left to wait for: no operation in flight, no timer armed
)

// Run drives a loop made by [NewLoop]. The first call locks the calling goroutine to its thread for
// good. From then on the loop belongs to that goroutine, which must [Loop.Close] it before it ends.
// Run returns nil when mode is fulfilled, or after [Loop.Stop] or Close.
//
// It fails with [ErrRunning] if the loop is running already (callbacks cannot nest Run), with
// [ErrWrongThread] on another goroutine and for a loop of a Runtime, with [ErrClosed] after Close,
// or with the error with which the backend failed.
func (l *Loop) Run(mode RunMode) error {
	if !l.thread.running.CompareAndSwap(false, true) {
		return ErrRunning
	}
	defer l.thread.running.Store(false)
	if err := l.own(); err != nil {
		return err
	}
	before := l.resolved.Load()
	for {
		if l.thread.stop.Swap(false) || l.closeIt.Load() {
			return nil
		}
		if l.lost != nil {
			l.turnThread(backends.NoWait)
			return l.lost
		}
		switch {
		case mode == NoWait:
			l.turnThread(backends.NoWait)
			return l.lost
		case !l.active(), mode == Once && l.resolved.Load() != before:
			return nil
		}
		l.turnThread(backends.Forever)
	}
}

// own makes sure that the caller is the loop's thread. The first call makes it so.
func (l *Loop) own() error {
	l.mustBeMade()
	select {
	case <-l.ended:
		return ErrClosed
	default:
	}
	if l.ofRuntime() {
		return ErrWrongThread
	}
	if l.thread.id == 0 {
		lockThread()
		if err := l.bind(); err != nil {
			l.lose(err) // Run reports it; Close still has something to close
		}
	}
	if l.thread.id != sys.ThreadID() {
		return ErrWrongThread
	}
	return nil
}

// ofRuntime reports whether a Runtime runs the loop, on a goroutine of its own or of its callers.
func (l *Loop) ofRuntime() bool { return l.peers != nil }

// active reports whether there is anything to wait for.
func (l *Loop) active() bool { return l.inFlightCount() > 0 || l.timers > 0 }

// Stop makes the Run in progress return, or else the next one. Any goroutine may call it.
func (l *Loop) Stop() {
	l.mustBeMade()
	l.thread.stop.Store(true)
	l.be.Wake()
}
