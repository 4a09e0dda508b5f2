// Package epoll is the backend on Linux's epoll(7): plain non-blocking system calls, tried when an
// operation is submitted and again when the kernel says that its descriptor is ready. What cannot
// be polled, files above all, a bounded pool of goroutines does with blocking calls. It needs Linux
// 4.19.
//
// Each descriptor has one registration, whatever waits on it, and a queue for each direction,
// served first come, first served. The registration outlives the operations; it is edge-triggered
// and disarms itself (EPOLLONESHOT), so that nothing is reported for which nobody waits. An
// operation that begins to wait arms it, with one EPOLL_CTL_MOD. That call also looks whether
// something is ready already, and it finds out when the number has come to mean another file: then
// it fails with ENOENT. So nobody has to tell the backend when a descriptor is closed.
//
// What the pool has begun cannot be cancelled: it is done anyway. That holds for files, and for
// connect(2) and accept4(2) on sockets in blocking mode, for which there is no non-blocking form.
//
// Where it differs from io_uring, which holds on to files and not to numbers: when a descriptor is
// closed behind the backend's back, by close(2), while operations wait on it, they end with EBADF
// as soon as the number is used again, and can be cancelled until then. When OpClose closes it they
// end with EBADF at once.
package epoll
