// Package op has operations as values: they are made one by one, linked into chains if one is to
// follow the other, submitted together with aio.Do or aio.Start, and hold their results when they
// are over.
//
//	r, w := op.Read(-1, buf, off).On(in).Link(), op.Write(-1, buf, off).On(out)
//	err := aio.Do(ctx, r, w)
//	n := w.N
//
// All operations of one call are submitted, or none is. Those that are not linked run at the same
// time. A chain is a row of operations in the list of which each but the last is linked to the
// next; chains run beside each other and beside what is not linked.
//
// # Files and descriptors
//
// On puts an operation on an open file, connection or listener of package aio, which it keeps open
// while it is in flight, and whose Close ends it. The constructors take the number of a descriptor,
// which is for those that the program has opened itself: it keeps them open until the operation is
// over. Do not take a number out of a file for that (int(f.Fd())): after Close it may be another
// file's.
//
// # Chains
//
// The loop links, not the kernel. What follows starts when the loop has learned that the one before
// is over, which costs one more system call for each link, though others share it; in return chains
// are of any length, mean the same on every backend, may have operations in them that the kernel
// cannot link (timeouts, events, whatever falls back on a plain call), can be cut by a cancellation
// at any place, and may take descriptors from each other (From). The kernel's own links lost the
// tails of chains on some versions, must fit in one submission, and cancel what follows where an
// operation is only tried again.
//
//	                                what follows        what follows
//	an operation                    after Link          after HardLink
//	succeeds                        starts              starts
//	fails                           ErrSkipped          starts
//	moves less than asked           ErrShort            starts
//	is cancelled, by itself         ErrSkipped          starts
//	exceeds its LinkTimeout         ErrSkipped          starts
//	is done although cancelled      starts              starts
//	the whole list is cancelled     ErrCanceled         ErrCanceled
//	the IO is closed                net.ErrClosed       net.ErrClosed
//
// What does not start takes all that is linked to it with it, to the end of its chain. Less than
// asked is a count below the length of the buffers for Read, Write, Readv, Writev, Send, SendMsg
// and those without a copy, Splice, Tee, and for Recv and RecvMsg with MSG_WAITALL. A Recv without
// takes what there is; that does not end a chain. A read at the end of a file does.
//
// # Storage flags
//
// With gives a read or write flags of its own: DSync, Sync, NoWait, Append, NoAppend, Atomic,
// DontCache and HiPri, which are RWF_* of preadv2(2). What the kernel or the file does not know is
// errors.ErrUnsupported.
//
// # Memory
//
// From submission to the end the kernel reads and writes the buffers, and everything else that was
// handed to the constructors: lists of buffers, a Msg and what it refers to, a Stat, the word of a
// futex. Names and addresses are copied when the Op is made, the list of operations when it is
// submitted. All of it is kept alive until then, whatever becomes of the caller.
//
// # Registered buffers
//
// aio.RegisterBuffers makes Buffers, which the kernel is told of once, where it can be; ReadFixed
// and WriteFixed use them. What that saves is to find and pin the pages of each read and write past
// the page cache. Nothing can be got wrong that is not an error:
//
//	Get                 lends a Buffer
//	Bytes               is its memory; panics after Release
//	ReadFixed           keeps it from being released until the whole list is over;
//	                    ErrReleased after Release
//	Release             ErrInUse while an operation is in flight on it;
//	                    ErrReleased the second time
//	Close of the pool   ErrInUse while a Buffer has not been released
//	Close of the IO     ends what is in flight, and the registration; Buffers are released as ever
//
// A Buffer that was released is worth nothing also when its memory has been lent to somebody else.
// The memory is Go's, kept by the pool, by who was lent it and by each operation in flight: a slice
// of it that is used too late reads or writes what others do, and never faults.
//
// # Registered files
//
// aio.RegisterFile makes a FixedFile of a descriptor, and SetFile puts an operation on it: the
// kernel, where it knows the file, does not look a descriptor up.
//
//	RegisterFile        duplicates the descriptor: what happens to it then does not matter
//	SetFile             keeps the file open until the whole list is over;
//	                    net.ErrClosed after Close
//	Close               cancels what is in flight, waits for it, and closes the file;
//	                    net.ErrClosed the second time
//	Close of the IO     ends what is in flight, and the registration;
//	                    the file stays open until its own Close
//
// # What is missing, and why
//
// Operations on memory maps (madvise), on the ring itself (msg_ring, files_update, descriptors that
// only a ring has) and on devices (uring_cmd). Waiting for an epoll descriptor is Poll. Operations
// that report more than once (multishot): package runtime has them, Op.Multi.
package op
