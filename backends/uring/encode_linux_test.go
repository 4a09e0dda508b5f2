package uring

import (
	"fmt"
	"math"
	"sync/atomic"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/weirgo/weir/backends"
	"github.com/weirgo/weir/internal/sys"
)

// encoding is an entry that the backend writes, and what liburing 2.15 writes for it.
type encoding struct {
	name   string
	encode func(e *sys.SQE)
	want   sys.SQE
}

const (
	testFD   = 77
	testID   = backends.ID(9<<32 | 3)
	testOff  = 1<<40 | 5
	testSlot = 3
)

// material is what the operations of the table refer to.
type material struct {
	b    *Backend
	buf  []byte
	bufs [][]byte
	addr *backends.Sockaddr
	msg  *backends.Msg
	args *backends.Args
}

func newMaterial() *material {
	m := &material{
		b: new(Backend), buf: make([]byte, 1000), addr: &backends.Sockaddr{Len: 16},
		bufs: [][]byte{make([]byte, 10), {}, make([]byte, 20)},
	}
	m.msg = &backends.Msg{Bufs: m.bufs, Addr: m.addr, Control: make([]byte, 24)}
	m.args = &backends.Args{
		FD: 88, Off: 6, Len: 700, Mode: 0o640, Path: backends.Path("a\x00"), Path2: backends.Path("b\x00"),
		Name: backends.Path("user.n\x00"), Stat: new(backends.Statx), Word: new(atomic.Uint32), Val: 1 << 31,
	}
	m.b.scratch = make([]*scratch, testSlot+1)
	m.b.scratch[testSlot] = new(scratch)
	return m
}

func number[T any](p *T) uint64 { return uint64(uintptr(unsafe.Pointer(p))) }

func (m *material) scratch() *scratch { return m.b.scratch[testSlot] }

// iovecs fixes where the vectors of the next operation will be.
func (m *material) iovecs() uint64 {
	m.scratch().iov = make([]unix.Iovec, 0, 8)
	return number(unsafe.SliceData(m.scratch().iov))
}

func (m *material) op(op backends.Op) func(*sys.SQE) {
	if op.FD == 0 {
		op.FD = testFD
	}
	c := &backends.Completion{Op: op, ID: testID}
	return func(e *sys.SQE) { m.b.encode(e, c) }
}

// encodings has every entry that the backend writes. The second column is written down from
// liburing's io_uring_prep_*, not from the backend.
func encodings(m *material) []encoding {
	const id, fd = uint64(testID), testFD
	buf, msg := number(&m.buf[0]), number(&m.scratch().msg)
	iov := m.iovecs()
	name, nameLen := number(&m.addr.Data), number(&m.addr.Len)
	return append(moreEncodings(m), []encoding{
		{"nop", m.op(backends.Op{Code: backends.OpNop}), sys.SQE{Opcode: 0, Fd: -1, UserData: id}},
		{"read", m.op(backends.Op{Code: backends.OpRead, Buf: m.buf, Off: testOff}),
			sys.SQE{Opcode: 22, Fd: fd, Off: testOff, Addr: buf, Len: 1000, UserData: id}},
		{"read stream", m.op(backends.Op{Code: backends.OpRead, Buf: m.buf, Off: backends.Stream}),
			sys.SQE{Opcode: 22, Fd: fd, Off: math.MaxUint64, Addr: buf, Len: 1000, UserData: id}},
		{"read flags", m.op(backends.Op{Code: backends.OpRead, Buf: m.buf, Off: testOff, Flags: unix.RWF_NOWAIT}),
			sys.SQE{Opcode: 22, Fd: fd, Off: testOff, Addr: buf, Len: 1000, OpFlags: 8, UserData: id}},
		{"write", m.op(backends.Op{Code: backends.OpWrite, Buf: m.buf, Off: testOff}),
			sys.SQE{Opcode: 23, Fd: fd, Off: testOff, Addr: buf, Len: 1000, UserData: id}},
		{"write flags", m.op(backends.Op{Code: backends.OpWrite, Buf: m.buf, Off: testOff, Flags: unix.RWF_DSYNC}),
			sys.SQE{Opcode: 23, Fd: fd, Off: testOff, Addr: buf, Len: 1000, OpFlags: 2, UserData: id}},
		{"readv", m.op(backends.Op{Code: backends.OpReadv, Bufs: m.bufs, Off: testOff, Flags: unix.RWF_NOWAIT}),
			sys.SQE{Opcode: 1, Fd: fd, Off: testOff, Addr: iov, Len: 2, OpFlags: 8, UserData: id}},
		{"writev", m.op(backends.Op{Code: backends.OpWritev, Bufs: m.bufs, Off: testOff, Flags: unix.RWF_DSYNC}),
			sys.SQE{Opcode: 2, Fd: fd, Off: testOff, Addr: iov, Len: 2, OpFlags: 2, UserData: id}},
		{"recv", m.op(backends.Op{Code: backends.OpRecv, Buf: m.buf, Flags: unix.MSG_WAITALL}),
			sys.SQE{Opcode: 27, Fd: fd, Addr: buf, Len: 1000, OpFlags: 0x100, UserData: id}},
		{"send", m.op(backends.Op{Code: backends.OpSend, Buf: m.buf, Flags: unix.MSG_MORE}),
			sys.SQE{Opcode: 26, Fd: fd, Addr: buf, Len: 1000, OpFlags: 0x8000 | 0x4000 | 0x40, UserData: id}},
		{"recvmsg", m.op(backends.Op{Code: backends.OpRecvMsg, Msg: m.msg, Flags: unix.MSG_PEEK}),
			sys.SQE{Opcode: 10, Fd: fd, Addr: msg, Len: 1, OpFlags: 2, UserData: id}},
		{"sendmsg", m.op(backends.Op{Code: backends.OpSendMsg, Msg: m.msg, Flags: unix.MSG_MORE}),
			sys.SQE{Opcode: 9, Fd: fd, Addr: msg, Len: 1, OpFlags: 0x8000 | 0x4000 | 0x40, UserData: id}},
		{"accept", m.op(backends.Op{Code: backends.OpAccept, Addr: m.addr, Flags: unix.SOCK_CLOEXEC}),
			sys.SQE{Opcode: 13, Fd: fd, Off: nameLen, Addr: name, OpFlags: 0x80000, UserData: id}},
		{"accept anonymous", m.op(backends.Op{Code: backends.OpAccept, Flags: unix.SOCK_NONBLOCK}),
			sys.SQE{Opcode: 13, Fd: fd, OpFlags: 0x800, UserData: id}},
		{"accept multishot", m.op(backends.Op{Code: backends.OpAccept, Multi: true, Flags: unix.SOCK_CLOEXEC}),
			sys.SQE{Opcode: 13, Ioprio: 1, Fd: fd, OpFlags: 0x80000, UserData: id}},
		{"connect", m.op(backends.Op{Code: backends.OpConnect, Addr: m.addr}),
			sys.SQE{Opcode: 16, Fd: fd, Off: 16, Addr: name, UserData: id}},
		{"poll", m.op(backends.Op{Code: backends.OpPoll, Flags: unix.POLLIN | unix.POLLRDHUP}),
			sys.SQE{Opcode: 6, Fd: fd, OpFlags: pollMask(0x2001), UserData: id}},
		{"poll multishot", m.op(backends.Op{Code: backends.OpPoll, Multi: true, Flags: unix.POLLOUT}),
			sys.SQE{Opcode: 6, Fd: fd, Len: 1, OpFlags: pollMask(4), UserData: id}},
		{"shutdown", m.op(backends.Op{Code: backends.OpShutdown, Flags: unix.SHUT_RDWR}),
			sys.SQE{Opcode: 34, Fd: fd, Len: 2, UserData: id}},
		{"fsync", m.op(backends.Op{Code: backends.OpFsync}), sys.SQE{Opcode: 3, Fd: fd, UserData: id}},
		{"fdatasync", m.op(backends.Op{Code: backends.OpFdatasync}), sys.SQE{Opcode: 3, Fd: fd, OpFlags: 1,
			UserData: id}},
		{"close", m.op(backends.Op{Code: backends.OpClose}), sys.SQE{Opcode: 19, Fd: fd, UserData: id}},

		{"wake", func(e *sys.SQE) { encodeWake(e, fd) },
			sys.SQE{Opcode: 6, Fd: fd, Len: 1, OpFlags: pollMask(1<<31 | 1), UserData: slotWake}},
		{"cancel", func(e *sys.SQE) { encodeCancel(e, id, slotCancel) },
			sys.SQE{Opcode: 14, Fd: -1, Addr: id, UserData: slotCancel}},
	}...)
}

func bytesOf(e *sys.SQE) [64]byte { return *(*[64]byte)(unsafe.Pointer(e)) }

func TestEncode(t *testing.T) {
	seen := map[uint8]bool{}
	for _, enc := range encodings(newMaterial()) {
		var got sys.SQE
		enc.encode(&got)
		if bytesOf(&got) != bytesOf(&enc.want) {
			t.Errorf("%s:\n got %+v\nwant %+v", enc.name, got, enc.want)
		}
		seen[got.Opcode] = true
	}
	for code := range backends.Code(backends.NumCodes) {
		if e, ok := tryEncode(new(Backend), &backends.Completion{Op: simplest(code)}); ok && !seen[e.Opcode] {
			t.Errorf("%v is missing in the table", code)
		}
	}
}

// simplest is an operation with all that its code must have.
func simplest(code backends.Code) backends.Op {
	op := backends.Op{Code: code}
	switch code {
	case backends.OpConnect, backends.OpBind:
		op.Addr = new(backends.Sockaddr)
	case backends.OpRecvMsg, backends.OpSendMsg, backends.OpSendMsgZC:
		op.Msg = new(backends.Msg)
	default:
		op.Args = new(backends.Args)
	}
	return op
}

// tryEncode encodes an operation, if it is one for backends.
func tryEncode(b *Backend, c *backends.Completion) (e sys.SQE, ok bool) {
	defer func() {
		if p := recover(); p != nil {
			if p != "uring: unknown operation "+c.Code.String() {
				panic(p)
			}
		}
	}()
	b.encode(&e, c)
	return e, true
}

// Only what the Loop keeps to itself is refused.
func TestEncodeKnows(t *testing.T) {
	for code := range 256 {
		code := backends.Code(code)
		_, ok := tryEncode(new(Backend), &backends.Completion{Op: simplest(code)})
		want := int(code) < backends.NumCodes && !code.OfLoop()
		if ok != want {
			t.Errorf("%v (%d) is encoded: %v, want %v", code, code, ok, want)
		}
	}
}

// Lengths are cut to MaxTransfer and MaxIovecs, not to 32 bits.
func TestEncodeHuge(t *testing.T) {
	if math.MaxInt == math.MaxInt32 {
		t.Skip("there is no such buffer on a 32-bit system")
	}
	big := int64(1<<32 + 1)
	size := int(big)
	mem, err := unix.Mmap(-1, 0, size, unix.PROT_READ, unix.MAP_PRIVATE|unix.MAP_ANON|unix.MAP_NORESERVE)
	if err != nil {
		t.Skip(err)
	}
	defer unix.Munmap(mem)
	b := new(Backend)
	for _, n := range []int{0, 1, backends.MaxTransfer - 1, backends.MaxTransfer, backends.MaxTransfer + 1, size >> 1,
		size - 1, size} {
		want := uint32(min(n, backends.MaxTransfer))
		for _, code := range []backends.Code{backends.OpRead, backends.OpWrite, backends.OpRecv, backends.OpSend} {
			e, _ := tryEncode(b, &backends.Completion{Op: backends.Op{Code: code, Buf: mem[:n]}})
			if e.Len != want {
				t.Errorf("%v of %d bytes: length %d, want %d", code, n, e.Len, want)
			}
		}
	}
	for _, tt := range []struct {
		lens []int
		want string
	}{
		{[]int{size}, "[1073741824]"},
		{[]int{5, size, 5}, "[5 1073741819]"},
		{[]int{1 << 29, 1 << 29, 1}, "[536870912 536870912]"},
		{[]int{1 << 29, 0, 1<<29 - 1, 7}, "[536870912 536870911 1]"},
		{nil, "[]"}, {[]int{0, 0}, "[]"},
	} {
		var bufs [][]byte
		for _, n := range tt.lens {
			bufs = append(bufs, mem[:n])
		}
		for _, op := range []backends.Op{
			{Code: backends.OpReadv, Bufs: bufs}, {Code: backends.OpWritev, Bufs: bufs},
			{Code: backends.OpRecvMsg, Msg: &backends.Msg{Bufs: bufs}},
			{Code: backends.OpSendMsg, Msg: &backends.Msg{Bufs: bufs}},
		} {
			tryEncode(b, &backends.Completion{Op: op})
			lens := []uint64{}
			for _, v := range b.scratch[0].iov {
				lens = append(lens, uint64(v.Len))
			}
			if got := fmt.Sprint(lens); got != tt.want {
				t.Errorf("%v of buffers of %v bytes: %v, want %v", op.Code, tt.lens, got, tt.want)
			}
		}
	}
	many := make([][]byte, backends.MaxIovecs+1)
	for i := range many {
		many[i] = mem[i : i+1]
	}
	e, _ := tryEncode(b, &backends.Completion{Op: backends.Op{Code: backends.OpWritev, Bufs: many}})
	if e.Len != backends.MaxIovecs {
		t.Errorf("%d buffers make %d vectors, want %d", len(many), e.Len, backends.MaxIovecs)
	}
}

// Whatever an operation says, the kernel is only shown memory that belongs to it, or to its slot.
// These are the operations up to OpClose; for those behind it see encode_more_linux_test.go.
func FuzzEncode(f *testing.F) {
	f.Add(uint8(backends.OpRead), false, uint32(0), 3, int64(0), []byte{10}, uint64(testID))
	f.Add(uint8(backends.OpReadv), false, uint32(8), 3, int64(-1), []byte{10, 0, 3}, uint64(1))
	f.Add(uint8(backends.OpRecvMsg), false, uint32(2), -1, int64(0), []byte{0, 0, 1}, uint64(1<<32|5))
	f.Add(uint8(backends.OpAccept), true, uint32(0x80000), 1<<30, int64(0), []byte{1}, uint64(1<<32))
	f.Add(uint8(backends.OpConnect), false, uint32(0), 0, int64(0), []byte{200}, uint64(1<<32))
	b := new(Backend)
	f.Fuzz(func(t *testing.T, code uint8, multi bool, flags uint32, fd int, off int64, lens []byte, id uint64) {
		op := backends.Op{Code: backends.Code(code) % (backends.OpClose + 1), Multi: multi, Flags: flags, FD: fd,
			Off: off}
		var mem []byte // the operation's buffers are parts of it, with a byte between them
		for _, n := range lens {
			mem = append(mem, make([]byte, int(n)+1)...)
		}
		at, total, used := 0, 0, 0
		for _, n := range lens {
			op.Bufs = append(op.Bufs, mem[at:at+int(n):at+int(n)])
			at += int(n) + 1
			if n > 0 && used < backends.MaxIovecs {
				used++
				total += int(n)
			}
		}
		if len(lens) > 0 {
			op.Buf = op.Bufs[0]
			if lens[0]%2 == 1 {
				op.Addr = &backends.Sockaddr{Len: uint32(lens[0])}
			}
		}
		op.Msg = &backends.Msg{Bufs: op.Bufs, Addr: op.Addr, Control: op.Buf}
		if op.Code == backends.OpConnect && op.Addr == nil {
			op.Addr = new(backends.Sockaddr)
		}
		c := &backends.Completion{Op: op, ID: backends.ID(id) &^ 0xffff_f000} // a slot that a Loop could have
		e, ok := tryEncode(b, c)
		if !ok {
			t.Fatalf("%v is refused", op.Code)
		}
		if e.UserData != uint64(c.ID) || e.Flags != 0 || e.BufIndex != 0 || e.Personality != 0 || e.SpliceFdIn != 0 ||
			e.Addr3 != 0 || e.Pad2 != 0 {
			t.Fatalf("%v: %+v", op.Code, e)
		}
		if e.Fd != int32(fd) && op.Code != backends.OpNop {
			t.Fatalf("%v: descriptor %d, want %d", op.Code, e.Fd, fd)
		}
		checkVectors := func(iov []unix.Iovec) {
			sum := 0
			if len(iov) != used {
				t.Fatalf("%v of %v bytes: %d vectors, want %d", op.Code, lens, len(iov), used)
			}
			next := 0
			for _, v := range iov {
				for len(op.Bufs[next]) == 0 {
					next++
				}
				if v.Base != &op.Bufs[next][0] || int(v.Len) != len(op.Bufs[next]) {
					t.Fatalf("%v: vector %d is not buffer %d", op.Code, sum, next)
				}
				next++
				sum += int(v.Len)
			}
			if sum != total {
				t.Fatalf("%v of %v bytes: %d in all, want %d", op.Code, lens, sum, total)
			}
		}
		s := b.scratch0(c)
		addr, length := uint64(0), uint32(0)
		switch op.Code {
		case backends.OpRead, backends.OpWrite, backends.OpRecv, backends.OpSend:
			addr, length = number(unsafe.SliceData(op.Buf)), uint32(len(op.Buf))
		case backends.OpReadv, backends.OpWritev:
			addr, length = number(unsafe.SliceData(s.iov)), uint32(used)
			checkVectors(s.iov)
		case backends.OpRecvMsg, backends.OpSendMsg:
			addr, length = number(&s.msg), 1
			checkVectors(unsafe.Slice(s.msg.Iov, s.msg.Iovlen))
			if op.Addr == nil && s.msg.Name != nil || op.Addr != nil && (s.msg.Name != &op.Addr.Data[0] ||
				s.msg.Namelen != op.Addr.Len) {
				t.Fatalf("%v: the name is %p, %d bytes", op.Code, s.msg.Name, s.msg.Namelen)
			}
			if int(s.msg.Controllen) != len(op.Buf) || len(op.Buf) > 0 && s.msg.Control != &op.Buf[0] {
				t.Fatalf("%v: the control data is %p, %d bytes", op.Code, s.msg.Control, s.msg.Controllen)
			}
			if s.id != c.ID || (op.Code == backends.OpRecvMsg) != (s.op == &c.Op) {
				t.Fatalf("%v: the scratch is of %v", op.Code, s.id)
			}
		case backends.OpAccept:
			if op.Addr != nil {
				addr = number(&op.Addr.Data)
				if e.Off != number(&op.Addr.Len) {
					t.Fatalf("accept: the length is at %#x", e.Off)
				}
			}
		case backends.OpConnect:
			addr = number(&op.Addr.Data)
			if e.Off != uint64(op.Addr.Len) {
				t.Fatalf("connect: the length is %d, want %d", e.Off, op.Addr.Len)
			}
		case backends.OpPoll:
			length = map[bool]uint32{true: sys.PollAddMulti}[multi]
		case backends.OpShutdown:
			length = flags
		}
		if e.Addr != addr || e.Len != length {
			t.Fatalf("%v: address %#x, length %d, want %#x, %d", op.Code, e.Addr, e.Len, addr, length)
		}
		if s != nil {
			s.writeBack(c.ID, 0)
			if len(op.Msg.Control) != len(op.Buf) && op.Code == backends.OpRecvMsg {
				t.Fatalf("recvmsg: the control data was cut to %d bytes of %d, though nothing came",
					len(op.Msg.Control), len(op.Buf))
			}
		}
	})
}

// scratch0 is the scratch of an operation's slot, nil if it has none.
func (b *Backend) scratch0(c *backends.Completion) *scratch {
	if slot := int(c.ID.Slot()); slot < len(b.scratch) {
		return b.scratch[slot]
	}
	return nil
}

// A receive that expects to wait says so, where the kernel knows the word.
func TestEncodeIdle(t *testing.T) {
	for _, known := range []bool{false, true} {
		b := &Backend{pollFirst: known}
		for _, idle := range []bool{false, true} {
			e, _ := tryEncode(b, &backends.Completion{Op: backends.Op{Code: backends.OpRecv, Idle: idle}})
			if got, want := e.Ioprio == sys.RecvsendPollFirst, known && idle; got != want {
				t.Errorf("known %v, idle %v: ioprio %d", known, idle, e.Ioprio)
			}
		}
	}
}
