// Package aio is what programs import: types shaped like those of packages net and os whose calls run on
// completion-based I/O.
//
// A call blocks its goroutine and nothing else. Its operation joins those of other goroutines, and all go to the
// kernel in one system call; where there is nothing to join, the caller does the work itself, as package net
// would. The functions of this package use one shared IO, [Default]; a program that wants its own calls [New] and
// the methods of the same names.
//
//	ln, err := aio.Listen("tcp", ":8080")    // instead of net.Listen
//	f, err := aio.Open("data")               // instead of os.Open
//
// What opens files and what is done with their names (Stat, Mkdir, Rename and so on) are the calls of package os, made by the
// goroutine itself.
//
// Errors are those of net and os: *net.OpError, *fs.PathError, io.EOF, os.ErrDeadlineExceeded, net.ErrClosed,
// os.ErrClosed. A buffer belongs to weir and the kernel from the call until it returns, and a call returns only when
// the kernel has let go of the buffer, also when its deadline or context ended; what had been transferred by then is
// reported, never dropped. A call whose context is over before it begins returns the cause of that, also when it could be
// done at once; one that waits behind another for its turn, or for room (Options.MaxInFlight), ends with its context too.
//
// In a bubble of testing/synctest it works as elsewhere. There Sleep is on the bubble's clock, and deadlines are in real time.
//
// On Linux it runs with io_uring, or with epoll where that is not to be had. On other systems the types are those of net
// and os with what this package adds to them: their calls are exactly net's and os's, while sleeps and calls on
// descriptors run on loops of the portable backend. The API is the same everywhere; what a system cannot do is
// errors.ErrUnsupported.
package aio
