// Package op has operations as values. A program makes them one by one, links those that must
// follow each other into chains, and submits them together with aio.Do or aio.Start. Each [Op]
// holds its result when it is over.
//
//	r, w := op.Read(-1, buf, off).On(in).Link(), op.Write(-1, buf, off).On(out)
//	err := aio.Do(ctx, r, w)
//	n := w.N
//
// All operations of one call are submitted, or none is. Operations that are not linked run
// concurrently. A chain is a sequence of operations in the list, each but the last linked to the
// next. Chains run concurrently with each other and with operations that are not linked.
//
// # Files and descriptors
//
// [Op.On] puts an operation on an open file, connection or listener of package aio. It keeps the
// file open while the operation is in flight, and Close of the file ends the operation. The
// constructors take the number of a descriptor, for descriptors that the program has opened itself;
// the program keeps such a descriptor open until the operation is over. Do not take a number out of
// a file for that (int(f.Fd())): after Close the number may belong to another file.
//
// # Chains
//
// The loop links operations, not the kernel. An operation starts when the loop has learned that the
// one before it is over. That costs one more system call for each link, which other operations
// share. In return chains may have any length and mean the same on every backend. They may contain
// operations that the kernel cannot link (timeouts, events, operations that fall back to a system
// call), a cancellation can cut them anywhere, and their operations may take descriptors from each
// other ([Op.From]). The kernel's own links lost the tails of chains on some versions, must fit in
// one submission, and cancel the rest of a chain when an operation only has to be tried again.
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
// If an operation does not start, neither does the rest of its chain. Less than asked means a count
// below the length of the buffers for Read, Write, Readv, Writev, Send, SendMsg and their zero-copy
// forms, Splice, Tee, and for Recv and RecvMsg with MSG_WAITALL. A Recv without that flag takes
// what there is, which does not end a chain. A read at the end of a file does.
//
// # Storage flags
//
// [Op.With] gives a read or write flags of its own: [DSync], [Sync], [NoWait], [Append],
// [NoAppend], [Atomic], [DontCache] and [HiPri], which are RWF_* of preadv2(2). A flag that the
// kernel or the file does not support is errors.ErrUnsupported.
//
// # Memory
//
// From submission until an operation is over, the kernel reads and writes the buffers and
// everything else given to the constructors: lists of buffers, a [Msg] and what it refers to, a
// [Stat], the word of a futex. Names and addresses are copied when the Op is made, the list of
// operations when it is submitted. weir keeps all of it alive until the end, even if the caller is
// gone.
//
// # Registered buffers
//
// aio.RegisterBuffers makes Buffers that the kernel learns of once, where it can; [ReadFixed] and
// [WriteFixed] use them. They save the kernel from finding and pinning the pages for each read and
// write that bypasses the page cache. Every misuse is an error:
//
//	Get                 borrows a Buffer
//	Bytes               returns its memory; panics after Release
//	ReadFixed           keeps it from being released until the whole list is over;
//	                    ErrReleased after Release
//	Release             ErrInUse while an operation is in flight on it;
//	                    ErrReleased the second time
//	Close of the pool   ErrInUse while a Buffer has not been released
//	Close of the IO     ends what is in flight, and the registration; Buffers are released as ever
//
// A Buffer that was released stays invalid even when its memory is lent again. The memory is Go's:
// the pool, the borrower and each operation in flight keep it alive. So a slice of it that is used
// too late reads or writes another borrower's data, and never faults.
//
// # Registered files
//
// aio.RegisterFile makes a [FixedFile] of a descriptor, and [Op.SetFile] puts an operation on it. A
// kernel that knows the file does not look a descriptor up.
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
// There are no operations on memory maps (madvise), on the ring itself (msg_ring, files_update,
// descriptors that only a ring has) or on devices (uring_cmd). To wait for an epoll descriptor, use
// [Poll]. Operations that report more than once (multishot) are in package runtime: Op.Multi.
package op
