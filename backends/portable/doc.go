// Package portable is the backend for every system that Go runs on, and the last resort on those
// that have a better one. It is built for correctness, not for speed.
//
// Timers, wake-ups, calls on the blocking pool and everything else that a loop does by itself work
// everywhere. Poll blocks on a channel and needs no thread, so the backend also runs where there is
// only one (js/wasm, wasip1/wasm).
//
// # Descriptors
//
// On unix systems operations work on real descriptors. Operations that wait for other parties
// (reads of pipes and sockets, accept, poll, ...) are tried at once. Then they wait, all together,
// in the poll(2) of one goroutine, first come, first served for each direction of each descriptor.
// Operations that only keep the calling thread busy (regular files, fsync, close) run on a bounded
// number of workers. On other systems, and on AIX, all of them fail with ENOSYS, for which
// errors.Is(err, errors.ErrUnsupported) holds.
//
// What it promises:
//
//   - A descriptor keeps its mode, blocking or not, which other processes may share, and is never
//     duplicated.
//   - While poll(2) runs the kernel holds the descriptors in it. When an operation is cancelled,
//     poll(2) is interrupted first, so that at the time of the terminal Event nothing keeps a
//     closed socket alive.
//   - A cancelled operation either did nothing, or reports what it did. It can be cancelled for as
//     long as it waits.
//
// What it cannot promise:
//
//   - A worker reads, writes or accepts from a pipe, terminal or listener in blocking mode, after
//     poll(2) has said that the call will not block. If another process is faster the worker
//     blocks, and the operation with it, until the next data comes; it cannot be cancelled then.
//     The same is true of connect(2) on a socket in blocking mode.
//   - poll(2) reports states, not changes: a multishot poll reports again, after 1 to 16 ms, while
//     what it has reported is still so.
//   - If a descriptor is closed by close(2) while operations wait for it, the next poll(2) finds
//     out, unless its number belongs to another file by then. OpClose ends the waiting operations
//     with EBADF.
package portable
