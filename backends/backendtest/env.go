package backendtest

import (
	"testing"
	"time"

	"github.com/weirgo/weir/backends"
)

// Env opens the backend under test and makes what its operations work on. What it makes belongs to
// the backend that Open returned last; a subtest has one backend open at a time, or else uses
// resources of the last one only. Methods that cannot do what they should end the test.
type Env interface {
	// Open makes a backend with queues of about these sizes; 0 stands for the default. It does not
	// call Bind, and the suite calls Close.
	Open(t testing.TB, entries, cqEntries int) backends.Backend

	// Thread is what the suite passes to Bind. If it is true, each subtest is locked to a thread.
	Thread() bool

	Pipe(t testing.TB) (r, w int)
	SocketPair(t testing.TB) (a, b int) // connected stream sockets
	PacketPair(t testing.TB) (a, b int) // connected sockets that keep messages apart
	File(t testing.TB, content []byte) int
	Listener(t testing.TB) (fd int, addr *backends.Sockaddr)
	Socket(t testing.TB) int // a stream socket that can connect to a Listener's address

	// CloseFD closes a descriptor without the help of the backend.
	CloseFD(t testing.TB, fd int)

	// Descriptors lists what is open, one line each, to find out what a subtest or the backend left
	// open.
	Descriptors() []string
}

// What follows are methods that an Env may have besides, for subtests that are skipped without
// them.
type (
	// hugeEnv has a writable buffer of n bytes that costs no memory while it is not touched.
	hugeEnv interface {
		HugeBuf(t testing.TB, n int) []byte
	}
	// rightsEnv packs descriptors into ancillary data and takes them out again.
	rightsEnv interface {
		Rights(fds ...int) []byte
		ParseRights(t testing.TB, control []byte) []int
	}
	// flagsEnv says whether fd is closed on exec, and non-blocking. The flags of OpAccept say so.
	flagsEnv interface {
		FDFlags(t testing.TB, fd int) (cloexec, nonblock bool)
	}
	// softEnv is for backends that carry some operations out without a system call.
	softEnv interface {
		Soft()
	}
	// modeEnv puts fd into blocking mode. Descriptors of an Env are non-blocking otherwise.
	modeEnv interface {
		SetBlocking(t testing.TB, fd int)
	}
	// dirEnv has an empty directory, as a descriptor, which is negative where it is none.
	dirEnv interface {
		Dir(t testing.TB) int
	}
	// fifoEnv makes a FIFO in a directory. What it returns opens both ends, without waiting.
	fifoEnv interface {
		Fifo(t testing.TB, dir int, name string) (both func() int)
	}
	// childEnv starts a process, which end ends: its descriptor.
	childEnv interface {
		Child(t testing.TB) (pidfd int, end func())
	}
	// urgentEnv sends an urgent byte (MSG_OOB) through a connection by way of a Listener.
	urgentEnv interface {
		SendUrgent(t testing.TB, fd int)
	}
	// readableEnv waits up to d until fd is readable.
	readableEnv interface {
		Readable(t testing.TB, fd int, d time.Duration) bool
	}
)

// Flags of operations, as they are on Linux, which is also what package sim understands.
const (
	pollIn  = 0x1
	pollPri = 0x2
	pollOut = 0x4
	pollErr = 0x8
	pollHup = 0x10

	msgPeek     = 0x2
	msgTrunc    = 0x20
	msgDontWait = 0x40
	msgWaitAll  = 0x100

	sockStream   = 0x1
	sockNonblock = 0x800
	sockCloexec  = 0x80000

	oRdwr     = 0x2
	oCreat    = 0x40
	oExcl     = 0x80
	oTrunc    = 0x200
	oNonblock = 0x800
	oCloexec  = 0x80000

	atRemoveDir     = 0x200
	renameNoReplace = 0x1
	statxBasic      = 0x7ff
	xattrCreate     = 0x1
	xattrReplace    = 0x2
	spliceNonblock  = 0x2

	idPidfd    = 3
	waitNoHang = 0x1
	waitExited = 0x4

	shutRd = 0
	shutWr = 1
)
