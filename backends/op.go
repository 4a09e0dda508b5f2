package backends

import (
	"strings"
	"sync/atomic"
	"syscall"

	"github.com/weirgo/weir/internal/sys"
)

// Code says what an Op does.
type Code uint8

// The operations. Unless a line says otherwise Res is 0 on success and -errno on failure, and the
// parameters have the meaning of the system call named.
const (
	OpNop Code = iota // completes at once
	// read(2) or pread(2): FD, Buf, Off, Flags RWF_*; Res is the number of bytes, 0 at end of file
	OpRead
	OpWrite     // write(2) or pwrite(2): FD, Buf, Off, Flags RWF_*; Res is the number of bytes
	OpReadv     // preadv2(2): FD, Bufs, Off, Flags RWF_*; Res is the number of bytes
	OpWritev    // pwritev2(2): FD, Bufs, Off, Flags RWF_*; Res is the number of bytes
	OpRecv      // recv(2): FD, Buf, Flags MSG_*; Res is the number of bytes, 0 at end of stream
	OpSend      // send(2): FD, Buf, Flags MSG_*; Res is the number of bytes; never raises SIGPIPE
	OpRecvMsg   // recvmsg(2): FD, Msg, Flags MSG_*; Res is the number of bytes
	OpSendMsg   // sendmsg(2): FD, Msg, Flags MSG_*; Res is the number of bytes
	OpAccept    // accept4(2): FD, Addr (may be nil), Flags SOCK_*; Res is the new descriptor
	OpConnect   // connect(2): FD, Addr
	OpPoll      // poll(2): FD, Flags POLL*; Res is the ready mask
	OpShutdown  // shutdown(2): FD, Flags SHUT_*
	OpFsync     // fsync(2): FD
	OpFdatasync // fdatasync(2): FD
	OpClose     // close(2): FD

	OpSocket    // socket(2): FD domain, Flags type and SOCK_*, Off protocol; Res is the new descriptor
	OpBind      // bind(2): FD, Addr
	OpListen    // listen(2): FD, Flags backlog
	OpSendZC    // send(2) without a copy if possible: as OpSend; it is over when the kernel no longer uses Buf
	OpSendMsgZC // sendmsg(2) without a copy if possible: as OpSendMsg
	// openat2(2): FD directory, Args.Path, Flags O_*, Args.Mode, Args.Resolve; Res is the new
	// descriptor
	OpOpen
	OpStatx         // statx(2): FD directory, Args.Path, Flags AT_*, Args.Mode STATX_* mask; fills Args.Stat in
	OpRename        // renameat2(2): FD directory, Args.Path, Args.FD directory, Args.Path2, Flags RENAME_*
	OpUnlink        // unlinkat(2): FD directory, Args.Path, Flags AT_REMOVEDIR
	OpMkdir         // mkdirat(2): FD directory, Args.Path, Args.Mode
	OpSymlink       // symlinkat(2): Args.Path content, FD directory, Args.Path2
	OpLink          // linkat(2): FD directory, Args.Path, Args.FD directory, Args.Path2, Flags AT_*
	OpFallocate     // fallocate(2): FD, Flags mode, Off, Args.Len
	OpFadvise       // posix_fadvise(2): FD, Off, Args.Len, Flags advice
	OpFtruncate     // ftruncate(2): FD, Off size
	OpSyncFileRange // sync_file_range(2): FD, Off, Args.Len (below 4 GiB), Flags SYNC_FILE_RANGE_*
	// splice(2): from Args.FD at Args.Off to FD at Off (Stream: none), Args.Len bytes at most,
	// Flags; Res is the number of bytes
	OpSplice
	OpTee         // tee(2): from Args.FD to FD, Args.Len bytes at most, Flags; Res is the number of bytes
	OpGetxattr    // getxattr(2): FD or, if not nil, Args.Path; Args.Name, Buf; Res is the number of bytes
	OpSetxattr    // setxattr(2): FD or, if not nil, Args.Path; Args.Name, Buf, Flags XATTR_*
	OpPipe        // pipe2(2): Flags O_*; fills Args.Pipe in with the read and the write end
	OpWaitid      // waitid(2): Args.Off idtype, FD id, Flags options; fills Args.Info in
	OpFutexWait   // futex_wait(2): waits while *Args.Word is Args.Val; Flags FUTEX2_*; -EAGAIN: the value differs
	OpFutexWake   // futex_wake(2): Args.Word, Args.Val how many, Flags FUTEX2_*; Res is how many were woken
	OpTimeout     // a point in time: the Completion's deadline; the Loop's timers do it, no backend sees it
	OpAsync       // a wake-up from any goroutine; the Loop's intake does it, no backend sees it
	OpBlocking    // a function on the pool for blocking calls; no backend sees it
	OpLinkTimeout // bounds the operation before it in a batch; no backend sees it
	OpCancel      // cancels another operation; no backend sees it
	OpEventWait   // waits for an event of the Loop's; no backend sees it
	OpEventNotify // notifies such an event; no backend sees it
	OpEventClose  // closes such an event; no backend sees it
	OpBatch       // operations that are submitted together; no backend sees it
	numCodes
)

// NumCodes is the number of operation codes: codes are below it.
const NumCodes = int(numCodes)

var codeNames = [NumCodes]string{
	OpNop: "nop", OpRead: "read", OpWrite: "write", OpReadv: "readv", OpWritev: "writev",
	OpRecv: "recv", OpSend: "send", OpRecvMsg: "recvmsg", OpSendMsg: "sendmsg",
	OpAccept: "accept", OpConnect: "connect", OpPoll: "poll", OpShutdown: "shutdown",
	OpFsync: "fsync", OpFdatasync: "fdatasync", OpClose: "close",
	OpSocket: "socket", OpBind: "bind", OpListen: "listen", OpSendZC: "send_zc", OpSendMsgZC: "sendmsg_zc",
	OpOpen: "open", OpStatx: "statx", OpRename: "rename", OpUnlink: "unlink", OpMkdir: "mkdir",
	OpSymlink: "symlink", OpLink: "link", OpFallocate: "fallocate", OpFadvise: "fadvise",
	OpFtruncate: "ftruncate", OpSyncFileRange: "sync_file_range", OpSplice: "splice", OpTee: "tee",
	OpGetxattr: "getxattr", OpSetxattr: "setxattr", OpPipe: "pipe", OpWaitid: "waitid",
	OpFutexWait: "futex_wait", OpFutexWake: "futex_wake",
	OpTimeout: "timeout", OpAsync: "async", OpBlocking: "blocking",
	OpLinkTimeout: "link_timeout", OpCancel: "cancel", OpBatch: "batch",
	OpEventWait: "event_wait", OpEventNotify: "event_notify", OpEventClose: "event_close",
}

// String returns the name of the operation as in the manual pages.
func (c Code) String() string {
	if int(c) < len(codeNames) {
		return codeNames[c]
	}
	return "unknown"
}

// MakesFD reports whether success of the operation yields a new descriptor, which must get an owner
// or be closed.
func (c Code) MakesFD() bool { return c == OpAccept || c == OpOpen || c == OpSocket }

// OfLoop reports whether the Loop does the operation by itself, so that no backend sees it.
func (c Code) OfLoop() bool { return c >= OpTimeout && c < numCodes }

// Waits reports whether op may take long because it waits until a descriptor is ready. A read or
// write without an offset counts, although it may be of a regular file: a backend of readiness
// finds that out.
func (op *Op) Waits() bool {
	switch op.Code {
	case OpRead, OpWrite, OpReadv, OpWritev:
		return op.Off == Stream
	case OpRecv, OpSend, OpRecvMsg, OpSendMsg, OpAccept, OpConnect, OpPoll, OpShutdown, OpSplice, OpTee:
		return true
	}
	return false
}

// Size returns the number of bytes op may move: at most [MaxTransfer].
func (op *Op) Size() int {
	bufs := op.Bufs
	if op.Msg != nil {
		bufs = op.Msg.Bufs
	}
	n := min(len(op.Buf), MaxTransfer)
	for _, b := range bufs {
		n += min(len(b), MaxTransfer-n)
	}
	return n
}

// TakesStorageFlags reports whether Flags are RWF_*.
func (c Code) TakesStorageFlags() bool { return c >= OpRead && c <= OpWritev }

// CloseAll is a flag of OpClose in a batch: the loop first cancels what it has in flight on the
// descriptor, and waits for that. Backends do not see it.
const CloseAll = 1

// Stream is the Off of an operation that has no offset of its own: it reads or writes at the file's
// current position, or the file has no position (sockets, pipes).
const Stream int64 = -1

// MaxTransfer is the largest number of bytes that one operation moves. A larger Buf is cut to it,
// and not truncated to 32 bits: the caller sees a short result and continues. (internal/poll has
// the same limit: 1 GiB.)
const MaxTransfer = sys.MaxTransfer

// MaxIovecs is the largest number of buffers that are not empty in one vectored operation
// (IOV_MAX). [Op.Check] refuses more, except for a send to a stream (Off is [Stream]): a backend
// then leaves out the rest, and the result is short.
const MaxIovecs = sys.MaxIovecs

// Op describes one operation. It is inert: nothing happens until a [Completion] that holds it is
// submitted. From then until the terminal [Event] the kernel may read and write everything that the
// Op points to, so no goroutine may touch the Op or what it points to. All of that must be heap
// memory; storing it in an Op on the heap makes it so.
type Op struct {
	Code  Code
	Multi bool      // OpPoll, OpAccept: stay armed and report again and again, until an Event without More
	Idle  bool      // OpRecv: no data is expected yet, so waiting first is better than trying
	Plain bool      // not in its form for registered memory and files: the Loop sets it if that is denied
	Flags uint32    // see Code
	FD    int       // file descriptor
	Off   int64     // file offset in bytes, or Stream, which marks the socket of a send as a stream
	Buf   []byte    // data
	Bufs  [][]byte  // data of vectored operations
	Addr  *Sockaddr // OpConnect: peer; OpAccept: receives the peer's address
	Msg   *Msg      // OpRecvMsg, OpSendMsg
	Args  *Args     // parameters that few operations need: see Code
}

// Args are the parameters and results of operations that need more than an Op holds. The kernel
// reads and writes them while the operation is in flight, as it does an Op's buffers.
type Args struct {
	FD      int    // a second descriptor
	Off     int64  // a second offset in bytes, or Stream; OpWaitid: the P_* of the id
	Len     int64  // bytes
	Mode    uint32 // permission bits, or a mask
	Resolve uint64 // RESOLVE_* of OpOpen
	Path    Path
	Path2   Path
	Name    Path // name of an extended attribute
	Stat    *Statx
	Pipe    [2]int32
	Info    Siginfo
	Word    *atomic.Uint32 // the word of a futex
	Val     uint64
	Region  *Region // of OpRead, OpWrite: the region that Buf lies in, which the backend may know: see Registrar
	File    *File   // if the operation TakesFile: the File of FD, which the backend may know: see FileRegistrar
}

// AtCWD as the descriptor of a directory means the working directory (AT_FDCWD).
const AtCWD = -100

// Path is a name in the form the kernel reads: with a zero byte at its end.
type Path []byte

// PathOf makes a [Path] of name. It fails with EINVAL if name contains a zero byte.
func PathOf(name string) (Path, error) {
	if strings.IndexByte(name, 0) >= 0 {
		return nil, syscall.EINVAL
	}
	return append(append(make(Path, 0, len(name)+1), name...), 0), nil
}

// String returns the name without the zero byte.
func (p Path) String() string { return string(p[:max(len(p)-1, 0)]) }

// Statx is what OpStatx fills in: struct statx.
type Statx = sys.Statx

// Siginfo is what OpWaitid fills in: siginfo_t.
type Siginfo = sys.Siginfo

// Sockaddr is a socket address in the system's own encoding: struct sockaddr and its length.
type Sockaddr = sys.Sockaddr

// Msg is the message of OpRecvMsg and OpSendMsg (struct msghdr).
type Msg struct {
	Bufs    [][]byte
	Addr    *Sockaddr // may be nil
	Control []byte    // ancillary data; OpRecvMsg cuts it to the length received
	Flags   uint32    // OpRecvMsg: flags of the received message (MSG_TRUNC, MSG_CTRUNC, ...)
}

// Completion is the record of one Op in flight. The Loop owns ID while it is in flight.
type Completion struct {
	Op
	ID ID
}
