// Package sys is the kernel interface: the io_uring ABI, the ring (set-up, mapping, queues, enter,
// register), the probe, socket addresses, and the few system calls that weir makes directly.
//
// # Ownership
//
// An SQE stores addresses as integers, which the garbage collector does not see, and goroutine
// stacks move. So the code that puts an address into an SQE is responsible for two things until the
// operation's terminal CQE has been reaped: the memory is on the heap (or was mapped), and
// something that the collector sees refers to it. The uring backend is the only caller; the loop's
// slot table refers to the memory. Besides this package and backends/uring, only a few packages
// import unsafe, which internal/lint lists.
//
// The ABI (abi.go) compiles everywhere; what needs Linux is in _linux.go files.
package sys
