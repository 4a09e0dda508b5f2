// Package coro runs coroutines on a loop's own thread: plain blocking code whose waits cost neither
// a goroutine switch in Go's scheduler nor a thread switch.
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
// A [Scheduler] is a loop on a locked thread that runs tasks one at a time. A [Task] runs until it
// waits, and meanwhile no other task of the scheduler runs. So tasks of one scheduler need no locks
// among themselves for what they do between two waits. On the other hand a task that computes for
// long, or blocks in something that parks goroutines (channels, sync.Mutex, package net), stops all
// others. The watchdog reports such a task: see [Hog]. Calls that block belong on the pool:
// [Task.Blocking].
//
// # What may wait, and how
//
//   - Connections, listeners and files of package aio, through a view: [Task.Conn],
//     [Task.Listener], [Task.File]. A view is an ordinary net.Conn, so bufio, crypto/tls and
//     io.Copy work on it unchanged.
//   - Operations of package aio/op: [Task.Do].
//   - [Queue], [Mutex], [RWMutex], [Semaphore], [Event], [WaitGroup], [Once] and [Select]:
//     coroutines of any scheduler and goroutines may wait for them. The context says which of these
//     the caller is: a coroutine passes its Task, or a context derived from it.
//   - Other tasks: [Handle.Wait], [Group], [Race]; time: [Task.Sleep], [Task.Timeout].
//
// # Structure
//
// A task is spawned by a parent, the scheduler or another task, and its parent does not end before
// it. When a task's function returns the task waits for its children, and cancels them first if the
// function failed. The program waits for a task's result, or detaches the task. A panic is raised
// again where the program waits for the task. Goexit, as in t.FailNow, ends only that task.
//
// A cancellation reaches children first, newest first, and then what the task itself waits for. If
// the kernel has begun an operation, the task asks for its end and waits until the kernel has ended
// it. Then the wait fails, and so does every later one: a cancellation is not forgotten. Work that
// must be completed all the same runs under [Task.Mask]. [Task.Timeout] cancels a part of a task.
//
// # Threads
//
// A task stays with its scheduler. A program that wants more than one thread makes several
// schedulers. One may accept connections that another serves, because a plain connection belongs to
// no scheduler; or each has a listener of its own on the same port (SO_REUSEPORT).
//
// A coroutine that calls runtime.LockOSThread must undo it before it waits. Otherwise Go's runtime
// ends the program ("coro: OS thread locking must match locking at coroutine creation") with the
// stack that waits. The switch uses iter.Pull, and no private code of the runtime.
package coro
