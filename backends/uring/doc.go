// Package uring is the io_uring backend.
//
// # Ownership
//
// The addresses that encode_linux.go writes into SQEs are those of memory that an operation in
// flight refers to. The Completion refers to buffers and socket addresses, and the Loop's slot
// table keeps it until the terminal event. This package's scratch table holds iovecs and message
// headers; it is indexed by the same slot, and only the slot's next operation reuses an entry.
// Nothing is on a stack.
//
// A ring is for one thread, the one that calls [Backend.Bind]: the kernel completes what a thread
// has submitted on that thread.
//
// The package uses the plain subset of io_uring: no SQPOLL, no IOPOLL, no kernel links, no
// CQE_SKIP, no personalities. It registers buffers and files only on request ([Backend.Register],
// [Backend.RegisterFile]).
package uring
