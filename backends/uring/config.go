package uring

import (
	"github.com/weirgo/weir/backends"
	"github.com/weirgo/weir/internal/sys"
)

// Config says how to set a ring up. The zero value is what package runtime uses.
type Config struct {
	// Entries is the size of the submission queue; 0 means 256. It is at least 2 and at most 32768,
	// and the kernel rounds it up to a power of two.
	Entries uint32
	// CQEntries is the size of the completion queue; 0 means 8 times Entries. It is at least
	// Entries and at most 65536. More completions than that are not lost, but they end multishot
	// operations and cost system calls.
	CQEntries uint32
	// Workers bounds the kernel's worker threads for operations that cannot be polled, for each of
	// its two kinds (Linux 5.15); 0 means 64. The kernel counts them for each thread that submits.
	// A thread that has used another ring before keeps the bound of the first.
	Workers uint32
	// Rung starts the set-up ladder at that rung: 0 is the newest. Tests use it to run on the older
	// ones.
	Rung int
	// Without makes the ring look as if its kernel lacked these operations. Deny makes the kernel
	// refuse these opcodes with EACCES (IORING_REGISTER_RESTRICTIONS, Linux 5.10), as a filter
	// would. DenyFlags denies entries with these flags (IOSQE_*), and DenyTables denies registering
	// buffers and files. For tests.
	Without    []backends.Code
	Deny       []sys.Opcode
	DenyFlags  uint8
	DenyTables bool
	// Hide are optional features of the kernel (IORING_FEAT_*) that are not used. For tests.
	Hide uint32
}

// Adjust, if not nil, is applied to the Config of every [Open]. It is for tests of the packages
// above: it makes the kernel look older or stricter than it is.
var Adjust func(*Config)

const (
	defaultEntries = 256
	minEntries     = 2 // one for an operation, and one that is kept free for the wake source
	maxEntries     = 32768
	defaultWorkers = 64
)
