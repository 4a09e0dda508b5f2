// Package uring is the io_uring backend.
//
// Ownership. The addresses that encode.go writes into SQEs are those of memory that an in-flight
// operation refers to: buffers and socket addresses through the Completion, which the Loop's slot
// table keeps until the terminal event, and iovecs and message headers through this package's
// scratch table, which is indexed by the same slot and reused only by the slot's next operation.
// Nothing here is on a stack.
//
// A ring is for one thread, the one that calls Bind: the kernel finishes what a thread has
// submitted on that thread.
//
// It uses the plain subset of io_uring: no SQPOLL, no IOPOLL, no registered files or buffers, no
// kernel links, no CQE_SKIP, no personalities.
package uring
