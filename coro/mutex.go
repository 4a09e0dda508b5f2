package coro

import (
	"context"
	"sync"
)

// Mutex is a lock that parks coroutines and goroutines, and never blocks a thread. Waiters get it
// in order of arrival. The zero value is ready and unlocked. Any goroutine and any coroutine may
// call its methods.
type Mutex struct {
	mu     sync.Mutex
	locked bool
	line   line
}

// Lock takes the lock, and waits for it. The error is nil if and only if the caller has the lock.
// Otherwise ctx or the task ended first, and the error is the cause. ctx follows the rule of this
// package: see [Task].
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

// TryLock takes the lock if it is free, and reports whether it did.
func (m *Mutex) TryLock() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.locked {
		return false
	}
	m.locked = true
	return true
}

// Unlock hands the lock to the waiter that has waited longest, or frees it. It panics if the lock
// is not locked. It may be called on any thread.
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

// RWMutex is a lock for one writer or many readers: see [Mutex]. Waiters get it in order of
// arrival, so readers that come after a waiting writer wait for it.
type RWMutex struct {
	mu      sync.Mutex
	readers int
	writing bool
	line    line // n of a reader is 0, of a writer 1
}

// RLock takes the lock for reading: see [Mutex.Lock].
func (m *RWMutex) RLock(ctx context.Context) error { return m.lock(ctx, 0) }

// Lock takes the lock for writing: see [Mutex.Lock].
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

// TryRLock takes the lock for reading if it need not wait, and reports whether it did.
func (m *RWMutex) TryRLock() bool { return m.try(0) }

// TryLock takes the lock for writing if it need not wait, and reports whether it did.
func (m *RWMutex) TryLock() bool { return m.try(1) }

func (m *RWMutex) try(writer int64) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.line.first == nil && m.admit(writer)
}

// admit gives the lock to a writer or a reader if it is available, and reports whether it did.
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

// RUnlock releases the lock of a reader. It panics if there is none.
func (m *RWMutex) RUnlock() {
	m.mu.Lock()
	if m.readers == 0 {
		m.mu.Unlock()
		panic("coro: RUnlock of an RWMutex that nobody reads")
	}
	m.readers--
	m.pass()
}

// Unlock releases the lock of the writer. It panics if there is none.
func (m *RWMutex) Unlock() {
	m.mu.Lock()
	if !m.writing {
		m.mu.Unlock()
		panic("coro: Unlock of an RWMutex that nobody writes")
	}
	m.writing = false
	m.pass()
}

// pass gives the lock to the waiters at the head of the line, and unlocks m.mu.
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
	m.pass() // readers behind a writer that has stopped waiting
	return true
}
