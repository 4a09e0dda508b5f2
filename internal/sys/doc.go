// Package sys is the kernel interface: the io_uring ABI, the ring (set-up, mapping, queues, enter,
// register), the probe, socket addresses, and the few system calls that weir makes directly.
//
// Ownership. An SQE stores addresses as integers, which the garbage collector does not see, and
// goroutine stacks move. So whoever puts an address into an SQE answers for two things until the
// operation's terminal CQE has been reaped: the memory is on the heap (or was mapped), and
// something the collector sees refers to it. The uring backend is the only caller; the loop's slot
// table is what refers to the memory. Nobody outside this package and backends/uring imports
// unsafe.
//
// The ABI (abi.go) compiles everywhere; what needs Linux is in _linux.go files.
package sys
