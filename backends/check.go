package backends

import (
	"fmt"
	"math"

	"github.com/weirgo/weir/internal/sys"
)

// Check reports why op must not be given to a backend. A backend takes every op that passes, and
// the kernel's verdict on it. The error is EBADF for a descriptor that needs more than 32 bits,
// which no system has. It is EMSGSIZE for a packet or record of more pieces than one call takes,
// because only a part of it would be sent. Otherwise the error says what is missing or too large,
// and wraps EINVAL. Operations that the Loop does itself pass.
func (op *Op) Check() error {
	if op.Code <= OpSend && !op.Multi && int(int32(op.FD)) == op.FD && len(op.Bufs) <= MaxIovecs {
		return nil // the most frequent operations need no more
	}
	return op.check()
}

// What an operation cannot do without.
const (
	needMsg = 1 << iota
	needAddr
	needArgs
	needPath
	needPath2
	needName // and a Path only if it is set
	needStat
	needWord
	needFD2    // Args.FD is a descriptor
	needLen    // Args.Len is a number of bytes
	needLen32  // the kernel's interface has 32 bits for it
	needNumber // FD is not a descriptor
)

var needs = [NumCodes]uint16{
	OpRecvMsg: needMsg, OpSendMsg: needMsg, OpSendMsgZC: needMsg,
	OpConnect: needAddr, OpBind: needAddr,
	OpSocket:        needNumber,
	OpOpen:          needArgs | needPath,
	OpStatx:         needArgs | needPath | needStat,
	OpRename:        needArgs | needPath | needPath2 | needFD2,
	OpLink:          needArgs | needPath | needPath2 | needFD2,
	OpUnlink:        needArgs | needPath,
	OpMkdir:         needArgs | needPath,
	OpSymlink:       needArgs | needPath | needPath2,
	OpFallocate:     needArgs | needLen,
	OpFadvise:       needArgs | needLen,
	OpSyncFileRange: needArgs | needLen | needLen32,
	OpSplice:        needArgs | needLen | needFD2,
	OpTee:           needArgs | needLen | needFD2,
	OpGetxattr:      needArgs | needName,
	OpSetxattr:      needArgs | needName,
	OpPipe:          needArgs,
	OpWaitid:        needArgs | needNumber,
	OpFutexWait:     needArgs | needWord,
	OpFutexWake:     needArgs | needWord,
}

func (op *Op) check() error {
	if int(op.Code) >= NumCodes {
		return bad(fmt.Sprintf("unknown code %d", op.Code))
	}
	if op.Code.OfLoop() {
		return nil
	}
	need, a := needs[op.Code], op.Args
	needs := func(what uint16) bool { return need&what != 0 }
	switch {
	case int(int32(op.FD)) != op.FD && !needs(needNumber):
		return sys.EBADF
	case int(int32(op.FD)) != op.FD:
		return bad("a number of more than 32 bits")
	case op.Multi && op.Code != OpPoll && op.Code != OpAccept:
		return bad("Op.Multi, which is for poll and accept")
	case needs(needMsg) && op.Msg == nil:
		return bad("no Msg")
	case op.Code.TakesStorageFlags() && pieces(op.Bufs) > MaxIovecs,
		needs(needMsg) && op.Off != Stream && pieces(op.Msg.Bufs) > MaxIovecs:
		return fmt.Errorf("more than %d pieces: %w", MaxIovecs, sys.EMSGSIZE)
	case needs(needMsg) && !fits(op.Msg.Addr):
		return bad("an address that is longer than there is room for")
	case needs(needAddr) && op.Addr == nil:
		return bad("no address")
	case !fits(op.Addr):
		return bad("an address that is longer than there is room for")
	case needs(needArgs) && a == nil:
		return bad("no Args")
	case needs(needPath) && !a.Path.ends(), needs(needPath2) && !a.Path2.ends(),
		needs(needName) && (!a.Name.ends() || a.Path != nil && !a.Path.ends()):
		return bad("a name without a zero byte at its end")
	case needs(needStat) && a.Stat == nil:
		return bad("nothing to fill in: Args.Stat is nil")
	case needs(needWord) && a.Word == nil:
		return bad("no Word")
	case needs(needFD2) && int(int32(a.FD)) != a.FD:
		return sys.EBADF
	case needs(needLen) && a.Len < 0:
		return bad("a negative length")
	case needs(needLen32) && a.Len > math.MaxUint32:
		return bad("a length of 4 GiB or more")
	case op.Code == OpSocket && int64(int32(op.Off)) != op.Off,
		op.Code == OpWaitid && int64(int32(a.Off)) != a.Off:
		return bad("a number of more than 32 bits")
	}
	return nil
}

// pieces is the number of buffers that are not empty, which are those the kernel is given.
func pieces(bufs [][]byte) int {
	n := 0
	for _, b := range bufs {
		if len(b) > 0 {
			n++
		}
	}
	return n
}

func bad(what string) error { return fmt.Errorf("%s: %w", what, sys.EINVAL) }

// ends reports whether p ends with a zero byte, as the kernel requires.
func (p Path) ends() bool { return len(p) > 0 && p[len(p)-1] == 0 }

// fits reports whether an address, if there is one, is no longer than the memory that it lies in.
func fits(a *Sockaddr) bool { return a == nil || int64(a.Len) <= int64(len(a.Data)) }
