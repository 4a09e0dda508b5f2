// Package epoll is the backend on Linux's epoll(7). It makes non-blocking system calls: when an
// operation is submitted, and again when the kernel says that its descriptor is ready. What cannot
// be polled, above all files, runs as blocking calls on a bounded pool of goroutines. It needs
// Linux 4.19.
//
// Each descriptor has one registration, whatever waits on it, and a queue for each direction,
// served first come, first served. The registration outlives the operations. It is edge-triggered
// and disarms itself (EPOLLONESHOT), so that the kernel reports nothing that no operation waits
// for. An operation that begins to wait arms it with one EPOLL_CTL_MOD. That call also checks
// whether something is ready already. If the number has come to mean another file, it fails with
// ENOENT; so the backend need not be told when a descriptor is closed.
//
// What the pool has begun cannot be cancelled: it runs to its end. That holds for files, and for
// connect(2) and accept4(2) on sockets in blocking mode, which have no non-blocking form.
//
// One difference from io_uring, which holds files and not numbers: when close(2) closes a
// descriptor while operations wait on it, they end with EBADF as soon as the number is used again,
// and can be cancelled until then. When OpClose closes it they end with EBADF at once.
package epoll
