// Package aio is what programs import: types shaped like those of packages net and os whose calls
// run on completion-based I/O.
//
// A call blocks only its goroutine. Its operation joins those of other goroutines, and all of them
// go to the kernel in one system call. If there is nothing to join, the goroutine makes the system
// call itself, as in package net. The functions of this package use one shared IO, [Default]. A
// program that wants its own calls [New] and the methods of the same names.
//
//	ln, err := aio.Listen("tcp", ":8080")    // instead of net.Listen
//	f, err := aio.Open("data")               // instead of os.Open
//
// The functions that open files, and those that work on their names (Stat, Mkdir, Rename and so
// on), are calls of package os, made by the goroutine itself.
//
// Errors are those of net and os: *net.OpError, *fs.PathError, io.EOF, os.ErrDeadlineExceeded,
// net.ErrClosed, os.ErrClosed.
//
// A buffer belongs to weir and the kernel from the call until it returns. A call returns only when
// the kernel no longer uses the buffer, even if its deadline or context ended. It then reports what
// had been transferred, and drops nothing. If the context of a call is over before it begins, the
// call returns its cause, even if it could be done at once. A call that waits for another on the
// same connection, or for room (Options.MaxInFlight), also ends with its context.
//
// In a bubble of testing/synctest the package works as elsewhere: Sleep uses the bubble's clock,
// and deadlines are in real time.
//
// On Linux the package runs on io_uring, or on epoll if that is not available. On other systems the
// types are those of net and os with this package's additions. Their calls are exactly those of net
// and os, while sleeps and calls on descriptors run on loops of the portable backend. The API is
// the same everywhere. What a system cannot do is errors.ErrUnsupported.
package aio
