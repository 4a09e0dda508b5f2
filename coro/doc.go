// Package coro runs coroutines on a loop's own thread: plain blocking code whose waits cost neither
// a switch of goroutines through Go's scheduler nor one of threads.
//
//	s, err := coro.New(coro.Options{})
//	...
//	defer s.Close()
//	h := coro.Spawn(s, func(t *coro.Task) (int, error) {
//		conn := t.Conn(accepted) // accepted is a connection of package aio
//		...
//		n, err := conn.Read(buf) // parks this coroutine; the thread runs others
//		...
//	})
//	n, err := h.Wait(ctx)
//
// A [Scheduler] is a loop on a locked thread, and tasks on it take turns: a [Task] runs until it
// waits, and nothing else of the scheduler runs meanwhile. So tasks of one scheduler need no locks
// among themselves for what they do between two waits; and a task that computes for long, or blocks
// in something that parks goroutines (channels, sync.Mutex, package net), stops all others. The
// watchdog reports such: see [Hog]. What blocks goes to the pool: [Task.Blocking].
//
// # What may wait, and how
//
//   - Connections, listeners and files of package aio, through a view: [Task.Conn],
//     [Task.Listener], [Task.File]. A view is an ordinary net.Conn, so bufio, crypto/tls and
//     io.Copy work on it as they are.
//   - Operations of package aio/op: [Task.Do].
//   - [Queue], [Mutex], [RWMutex], [Semaphore], [Event], [WaitGroup], [Once] and [Select]:
//     coroutines of any scheduler and goroutines alike, each in its own way. Whoever waits says who
//     he is with the context: a coroutine gives its Task, or a context derived from it.
//   - Other tasks: [Handle.Wait], [Group], [Race]; time: [Task.Sleep], [Task.Timeout].
//
// # Structure
//
// A task is spawned by a parent, the scheduler or another task, and its parent does not end before
// it: when a task's function returns it waits for the children, and cancels them first if it
// failed. A task's result is waited for or the task is detached. Panics surface where the task is
// waited for; Goexit, as in t.FailNow, ends that task alone.
//
// Cancelling reaches children first, newest first, and then what the task itself waits for. What
// the kernel has begun is asked to stop and waited for, and that nothing cuts short; then the wait
// fails, and so does every later one: a cancellation is not forgotten. What must be done all the
// same is done under [Task.Mask]. [Task.Timeout] is a cancellation of a part.
//
// # Threads
//
// A task stays with its scheduler. A program that wants more than one thread makes several
// schedulers; connections can be accepted by one and served by another, since a plain connection
// belongs to nobody, or each can have a listener of its own on the same port (SO_REUSEPORT).
// runtime.LockOSThread in a coroutine must be undone before the coroutine waits: otherwise Go's
// runtime ends the program ("coro: OS thread locking must match locking at coroutine creation")
// with the stack that waits. No code of the runtime that is not public is used for the switch: it
// is iter.Pull.
package coro
