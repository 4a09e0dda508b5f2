// Package fd holds the descriptors of package aio on Linux, as internal/poll does those of net and
// os. An [FD] keeps a descriptor open while operations are in progress, serializes reads and
// writes, keeps their deadlines, and waits.
//
// Where to look:
//
//   - fd_linux.go: what an FD is; Begin and End of an operation; deadlines; Close.
//   - fdmutex_linux.go: the state word and the locks of both directions.
//   - wait_linux.go: how a call that finds nothing waits. It is the only place that decides that,
//     for streams, packets, batches of them, Accept and borrowed reads alike.
//   - readiness_linux.go: how a call waits between two tries of a system call.
//   - waiter.go, view_linux.go: how the same calls serve coroutines.
//   - stream, message, datagrams, accept, connect, copy (_linux.go): the operations.
//
// Its errors are plain error numbers or *os.SyscallError; package aio wraps them as package net and
// os do.
package fd
