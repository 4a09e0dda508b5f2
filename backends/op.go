package backends

import "github.com/weirgo/weir/internal/sys"

// Code says what an Op does.
type Code uint8

// The operations. Unless a line says otherwise Res is 0 on success and -errno on failure, and the parameters
// have the meaning of the system call named.
const (
	OpNop       Code = iota // completes at once
	OpRead                  // read(2) or pread(2): FD, Buf, Off; Res is the number of bytes, 0 at end of file
	OpWrite                 // write(2) or pwrite(2): FD, Buf, Off; Res is the number of bytes
	OpReadv                 // preadv(2): FD, Bufs, Off; Res is the number of bytes
	OpWritev                // pwritev(2): FD, Bufs, Off; Res is the number of bytes
	OpRecv                  // recv(2): FD, Buf, Flags MSG_*; Res is the number of bytes, 0 at end of stream
	OpSend                  // send(2): FD, Buf, Flags MSG_*; Res is the number of bytes; never raises SIGPIPE
	OpRecvMsg               // recvmsg(2): FD, Msg, Flags MSG_*; Res is the number of bytes
	OpSendMsg               // sendmsg(2): FD, Msg, Flags MSG_*; Res is the number of bytes
	OpAccept                // accept4(2): FD, Addr (may be nil), Flags SOCK_*; Res is the new descriptor
	OpConnect               // connect(2): FD, Addr
	OpPoll                  // poll(2): FD, Flags POLL*; Res is the ready mask
	OpShutdown              // shutdown(2): FD, Flags SHUT_*
	OpFsync                 // fsync(2): FD
	OpFdatasync             // fdatasync(2): FD
	OpClose                 // close(2): FD
	OpTimeout               // a point in time: the Completion's deadline; the Loop's timers serve it, no backend sees it
	OpAsync                 // a wake-up from any goroutine; the Loop's intake serves it, no backend sees it
	OpBlocking              // a function on the pool for blocking calls; no backend sees it
	numCodes
)

// NumCodes is the number of operation codes: codes are below it.
const NumCodes = int(numCodes)

var codeNames = [NumCodes]string{
	OpNop: "nop", OpRead: "read", OpWrite: "write", OpReadv: "readv", OpWritev: "writev",
	OpRecv: "recv", OpSend: "send", OpRecvMsg: "recvmsg", OpSendMsg: "sendmsg",
	OpAccept: "accept", OpConnect: "connect", OpPoll: "poll", OpShutdown: "shutdown",
	OpFsync: "fsync", OpFdatasync: "fdatasync", OpClose: "close",
	OpTimeout: "timeout", OpAsync: "async", OpBlocking: "blocking",
}

// String returns the name of the operation as in the manual pages.
func (c Code) String() string {
	if int(c) < len(codeNames) {
		return codeNames[c]
	}
	return "unknown"
}

// MakesFD reports whether success of the operation yields a new descriptor, which somebody must own or close.
func (c Code) MakesFD() bool { return c == OpAccept }

// Stream is the Off of an operation that has no offset of its own: it reads or writes at the file's current
// position, or the file has none (sockets, pipes).
const Stream int64 = -1

// MaxTransfer is the largest number of bytes one operation moves. A larger Buf is cut to it, never truncated in
// 32 bits; the caller sees a short result and goes on. (internal/poll has the same limit: 1 GiB.)
const MaxTransfer = 1 << 30

// MaxIovecs is the largest number of buffers one vectored operation uses (IOV_MAX); further ones are left out
// and the result is short.
const MaxIovecs = 1024

// Op describes one operation. It is inert: nothing happens until a Completion that holds it is submitted.
// From then until the terminal Event the kernel may read and write everything an Op points to, so neither the
// Op nor what it points to may be touched by anybody else. All of it must be heap memory; storing it in an Op on
// the heap makes it so.
type Op struct {
	Code  Code
	Multi bool      // OpPoll, OpAccept: stay armed and report again and again, until an Event without More
	Flags uint32    // see Code
	FD    int       // file descriptor
	Off   int64     // file offset in bytes, or Stream
	Buf   []byte    // data
	Bufs  [][]byte  // data of vectored operations
	Addr  *Sockaddr // OpConnect: peer; OpAccept: receives the peer's address
	Msg   *Msg      // OpRecvMsg, OpSendMsg
}

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
