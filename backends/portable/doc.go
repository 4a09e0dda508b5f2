// Package portable is the backend for every system that Go runs on, and the last resort on those
// that have a better one. It is made for being right, not for being fast.
//
// Timers, wake-ups, calls on the blocking pool and everything else that a loop does by itself works
// everywhere. Poll blocks on a channel: no thread is needed, so that it runs where there is only
// one (js/wasm, wasip1/wasm).
//
// # Descriptors
//
// On unix systems operations work on real descriptors. Those that wait for others (reads of pipes
// and sockets, accept, poll, ...) are tried at once and then wait, all together, in the poll(2) of
// one goroutine, in turn for each direction of each descriptor. Those that only keep the calling
// thread (regular files, fsync, close) run on a bounded number of workers. Elsewhere, AIX included,
// they fail with ENOSYS, which is errors.ErrUnsupported.
//
// What it promises:
//
//   - A descriptor stays in the mode it is in, blocking or not, which other processes may share,
//     and is never duplicated.
//   - While poll(2) runs the kernel holds on to the descriptors in it. It is interrupted first
//     whenever an operation is cancelled, so that by the time of the terminal Event nothing keeps a
//     closed socket alive.
//   - A cancelled operation either did nothing, or says what it did; it can be cancelled for as
//     long as it waits.
//
// What it cannot promise:
//
//   - A pipe, terminal or listener in blocking mode is read, written or accepted from by a worker,
//     after poll(2) has said that it will not block. If another process is faster the worker
//     blocks, and the operation with it, until the next data comes; it cannot be cancelled then.
//     The same is true of connect(2) on a socket in blocking mode.
//   - poll(2) tells states, not changes: a multishot poll reports again, after 1 to 16 ms, while
//     what it has reported is still so.
//   - A descriptor that is closed behind the backend's back, while operations wait for it, is found
//     out by the next poll(2), unless its number has become another file's by then. OpClose ends
//     what waits, with EBADF.
package portable
