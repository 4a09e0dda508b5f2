package coro

import (
	"context"
	"sync"
)

// Mutex is a lock that parks coroutines, not threads, and goroutines too. It is handed over in the
// order in which they came. The zero value is ready and unlocked. Any goroutine and any coroutine
// may call its methods.
type Mutex struct {
	mu     sync.Mutex
	locked bool
	line   line
}

// Lock takes the lock, waiting for it. The error is nil if and only if the caller has it; otherwise
// ctx or the task ended first, and it is the cause. ctx is as everywhere in this package: see Task.
func (m *Mutex) Lock(ctx context.Context) error {
	t := taskOf(ctx)
	if err := cause(ctx, t); err != nil {
		return err
	}
	if m.TryLock() {
		return nil
	}
	w := newWaiter(t)
	defer w.free()
	m.mu.Lock()
	if !m.locked {
		m.locked = true
		m.mu.Unlock()
		return nil
	}
	m.line.push(w)
	m.mu.Unlock()
	return w.await(ctx, m)
}

// TryLock takes the lock if it is free, and reports whether it has.
func (m *Mutex) TryLock() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.locked {
		return false
	}
	m.locked = true
	return true
}

// Unlock hands the lock to who has waited longest, or frees it. It panics if it is not locked.
// Whoever holds the lock may call it, on any thread.
func (m *Mutex) Unlock() {
	m.mu.Lock()
	if !m.locked {
		m.mu.Unlock()
		panic("coro: Unlock of an unlocked Mutex")
	}
	w := m.line.pop()
	if w == nil {
		m.locked = false
	}
	m.mu.Unlock()
	if w != nil {
		w.wake(nil)
	}
}

func (m *Mutex) withdraw(w *waiter) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.line.remove(w)
}

// RWMutex is a lock for one writer or many readers: see Mutex. They get it in the order in which
// they came; readers that stand behind a writer wait for it.
type RWMutex struct {
	mu      sync.Mutex
	readers int
	writing bool
	line    line // n of a reader is 0, of a writer 1
}

// RLock takes the lock for reading: see Mutex.Lock.
func (m *RWMutex) RLock(ctx context.Context) error { return m.lock(ctx, 0) }

// Lock takes the lock for writing: see Mutex.Lock.
func (m *RWMutex) Lock(ctx context.Context) error { return m.lock(ctx, 1) }

func (m *RWMutex) lock(ctx context.Context, writer int64) error {
	t := taskOf(ctx)
	if err := cause(ctx, t); err != nil {
		return err
	}
	if m.try(writer) {
		return nil
	}
	w := newWaiter(t)
	defer w.free()
	w.n = writer
	m.mu.Lock()
	if m.line.first == nil && m.admit(writer) {
		m.mu.Unlock()
		return nil
	}
	m.line.push(w)
	m.mu.Unlock()
	return w.await(ctx, m)
}

// TryRLock takes the lock for reading if that needs no waiting, and reports whether it has.
func (m *RWMutex) TryRLock() bool { return m.try(0) }

// TryLock takes the lock for writing if that needs no waiting, and reports whether it has.
func (m *RWMutex) TryLock() bool { return m.try(1) }

func (m *RWMutex) try(writer int64) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.line.first == nil && m.admit(writer)
}

// admit gives the lock to a writer or a reader, if it can be had.
func (m *RWMutex) admit(writer int64) bool {
	switch {
	case m.writing || writer != 0 && m.readers > 0:
		return false
	case writer != 0:
		m.writing = true
	default:
		m.readers++
	}
	return true
}

// RUnlock gives a reader's lock back. It panics if there is none.
func (m *RWMutex) RUnlock() {
	m.mu.Lock()
	if m.readers == 0 {
		m.mu.Unlock()
		panic("coro: RUnlock of an RWMutex that nobody reads")
	}
	m.readers--
	m.pass()
}

// Unlock gives the writer's lock back. It panics if there is none.
func (m *RWMutex) Unlock() {
	m.mu.Lock()
	if !m.writing {
		m.mu.Unlock()
		panic("coro: Unlock of an RWMutex that nobody writes")
	}
	m.writing = false
	m.pass()
}

// pass admits those at the head of the line, and unlocks m.mu.
func (m *RWMutex) pass() {
	var all chain
	last := &all.first
	for m.line.first != nil && m.admit(m.line.first.n) {
		w := m.line.pop()
		*last = w
		last = &w.next
	}
	m.mu.Unlock()
	all.wake(nil)
}

func (m *RWMutex) withdraw(w *waiter) bool {
	m.mu.Lock()
	if !m.line.remove(w) {
		m.mu.Unlock()
		return false
	}
	m.pass() // readers behind a writer that has gone
	return true
}
