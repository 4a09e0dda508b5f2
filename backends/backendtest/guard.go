package backendtest

import (
	"bytes"
	"testing"

	"github.com/weirgo/weir/backends"
)

// guard is a buffer within canary bytes. The buffer's capacity reaches into those behind it.
type guard struct {
	mem, buf      []byte
	before, after []byte // what mem was when the operation was submitted, and when it was over
}

const pad = 32

func newGuard(n int) *guard {
	mem := make([]byte, pad+n+pad)
	for i := range mem {
		mem[i] = byte(0xA5 + i)
	}
	return &guard{mem: mem, buf: mem[pad : pad+n]}
}

func (g *guard) keep() { g.before = bytes.Clone(g.mem) }

// reads reports whether the operation fills its buffers.
func reads(c backends.Code) bool {
	switch c {
	case backends.OpRead, backends.OpReadv, backends.OpRecv, backends.OpRecvMsg, backends.OpGetxattr:
		return true
	}
	return false
}

// checkBuffers looks, at the end of the operation, for bytes that it should have left alone.
func (o *op) checkBuffers(t testing.TB) {
	t.Helper()
	left := 0 // bytes that the operation may have changed
	if reads(o.as.Code) && o.res > 0 {
		left = int(o.res)
	}
	for i, g := range o.guards {
		n := min(left, len(g.buf))
		left -= n
		for at := range g.mem {
			if g.mem[at] != g.before[at] && (at < pad || at >= pad+n) {
				t.Fatalf("%v: %s, but byte %d of buffer %d (of %d bytes) was written", o, result(o.res), at-pad, i,
					len(g.buf))
			}
		}
		g.after = bytes.Clone(g.mem)
	}
	if o.as.Code == backends.OpGetxattr && len(o.as.Buf) == 0 {
		return // which asks how much there is
	}
	if left > 0 && len(o.guards) > 0 && o.as.Flags&msgTrunc == 0 {
		t.Fatalf("%v: %s is %d more than fits", o, result(o.res), left)
	}
	if (o.as.Code == backends.OpWrite || o.as.Code == backends.OpSend) && int(o.res) > len(o.as.Buf) {
		t.Fatalf("%v: %s is more than there was", o, result(o.res))
	}
}

// checkAfter checks, long after the end of the operation, that its buffers have not been written to
// since.
func (g *guard) checkAfter(t testing.TB, o *op) {
	for at := range g.mem {
		if g.after != nil && g.mem[at] != g.after[at] {
			t.Errorf("%v: byte %d of its buffer was written after its terminal event", o, at-pad)
			return
		}
	}
}

// checkUnchanged looks whether the backend let the Completion alone.
func (o *op) checkUnchanged(t testing.TB) {
	t.Helper()
	a, b := &o.as, o.c
	same := a.ID == b.ID && a.Code == b.Code && a.Multi == b.Multi && a.Flags == b.Flags && a.FD == b.FD &&
		a.Off == b.Off && a.Addr == b.Addr && a.Msg == b.Msg && sameSlice(a.Buf, b.Buf) && sameSlice(a.Bufs, b.Bufs)
	if !same {
		t.Fatalf("%v: the Completion was changed: %+v is now %+v", o, *a, *b)
	}
}

func sameSlice[T any](a, b []T) bool {
	return len(a) == len(b) && (len(a) == 0 || &a[0] == &b[0])
}

// seq is n bytes of an endless sequence from offset off on. Lost, repeated and swapped pieces show.
func seq(off, n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = seqByte(off + i)
	}
	return b
}

func seqByte(i int) byte { return byte((uint32(i) * 2654435761) >> 24) }

// checkSeq looks whether b is what the sequence has at off.
func checkSeq(t testing.TB, what any, b []byte, off int) {
	t.Helper()
	for i := range b {
		if b[i] != seqByte(off+i) {
			t.Fatalf("%v: byte %d is %#x, want byte %d of the sequence, %#x", what, i, b[i], off+i, seqByte(off+i))
		}
	}
}
