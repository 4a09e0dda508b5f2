package backendtest

import (
	"bytes"
	"math"
	"math/rand/v2"
	"strconv"
	"syscall"
	"testing"

	"github.com/weirgo/weir/backends"
)

// testReadFile catches offsets that are ignored, an end of file that is an error, and reads that
// write beyond what there was.
func testReadFile(t *testing.T, env Env) {
	r := newRig(t, env, 0, 0)
	const size = 10000
	fd := r.file(seq(0, size))
	for _, at := range []struct{ off, n, want int }{
		{0, 1, 1}, {0, size, size}, {1, 4096, 4096}, {4095, 4097, 4097}, {size - 1, 1, 1},
		{size - 10, 100, 10}, {0, 2 * size, size}, {size, 10, 0}, {size + 1, 10, 0}, {1 << 30, 10, 0}, {5, 0, 0},
	} {
		o := r.into(backends.OpRead, fd, at.n, int64(at.off), 0)
		r.do(o)
		if o.res < 0 || int(o.res) > at.want || o.res == 0 && at.want > 0 {
			t.Fatalf("%v at %d: %s, want %d", o, at.off, result(o.res), at.want)
		}
		checkSeq(t, o, o.got(), at.off)
	}
	r.want(r.into(backends.OpRead, fd, 10, -2, 0), fail(syscall.EINVAL))
}

// testWriteFile catches writes at the wrong place, and files that do not grow.
func testWriteFile(t *testing.T, env Env) {
	r := newRig(t, env, 0, 0)
	fd := r.file(seq(0, 100))
	want := seq(0, 100)
	put := func(off int, data []byte) {
		t.Helper()
		if grow := off + len(data) - len(want); grow > 0 {
			want = append(want, make([]byte, grow)...)
		}
		copy(want[off:], data)
		for len(data) > 0 {
			o := r.from(backends.OpWrite, fd, data, int64(off), 0)
			if r.do(o); o.res <= 0 {
				t.Fatalf("%v at %d: %s", o, off, result(o.res))
			}
			data, off = data[o.res:], off+int(o.res)
		}
	}
	put(10, []byte("in the middle"))
	put(95, []byte("over the end"))
	put(500, []byte("beyond the end"))
	put(0, seq(7, 5000))
	if got := r.content(fd); !bytes.Equal(got, want) {
		t.Errorf("the file has %d bytes that differ from the %d written", len(got), len(want))
	}
	r.want(r.from(backends.OpWrite, fd, []byte("x"), -2, 0), fail(syscall.EINVAL))
}

// content is what is in a file.
func (r *rig) content(fd int) []byte {
	r.t.Helper()
	var all []byte
	for {
		o := r.into(backends.OpRead, fd, 8192, int64(len(all)), 0)
		if r.do(o); o.res < 0 {
			r.t.Fatalf("%v: %s", o, result(o.res))
		}
		if o.res == 0 {
			return all
		}
		if all = append(all, o.got()...); len(all) > endless {
			r.t.Fatalf("%v: no end after %d bytes", o, len(all))
		}
	}
}

// endless is more than any subtest writes.
const endless = 16 << 20

// testFilePosition catches a Stream offset that does not mean the file's own position.
func testFilePosition(t *testing.T, env Env) {
	r := newRig(t, env, 0, 0)
	fd := r.file(seq(0, 100))
	checkSeq(t, "first read", r.readFull(fd, 10), 0)
	checkSeq(t, "second read", r.readFull(fd, 20), 10)
	o := r.into(backends.OpRead, fd, 10, 50, 0)
	r.do(o)
	checkSeq(t, o, o.got(), 50)
	checkSeq(t, "a read after one with an offset of its own", r.readFull(fd, 10), 30)
	r.writeAll(fd, []byte("here"))
	if got := r.content(fd); string(got[40:44]) != "here" {
		t.Errorf("at the position, 40, the file has %q, want what was written", got[40:44])
	}
	checkSeq(t, "a read after a write", r.readFull(fd, 10), 44)
}

// testManyFileOps catches operations whose parameters get mixed up when many are in flight.
func testManyFileOps(t *testing.T, env Env) {
	r := newRig(t, env, 16, 0)
	const block, blocks = 512, 128
	fd := r.file(nil)
	var ops []*op
	rng := rand.New(rand.NewPCG(1, 2))
	for _, i := range rng.Perm(blocks) {
		ops = append(ops, r.from(backends.OpWrite, fd, seq(i*block, block), int64(i*block), 0))
	}
	r.submit(ops...)
	r.wait(ops...)
	for _, o := range ops {
		for o.res > 0 && int(o.res) < len(o.c.Buf) { // the rest of a short write
			o = r.from(backends.OpWrite, fd, o.c.Buf[o.res:], o.c.Off+int64(o.res), 0)
			r.do(o)
		}
		if int(o.res) != len(o.c.Buf) {
			t.Fatalf("%v at %d: %s", o, o.c.Off, result(o.res))
		}
	}
	ops = ops[:0]
	for _, i := range rng.Perm(blocks) {
		ops = append(ops, r.into(backends.OpRead, fd, block, int64(i*block), 0))
	}
	r.submit(ops...)
	r.wait(ops...)
	for _, o := range ops {
		if o.res <= 0 {
			t.Fatalf("%v at %d: %s", o, o.c.Off, result(o.res))
		}
		checkSeq(t, o, o.got(), int(o.c.Off))
	}
	if n := len(r.content(fd)); n != block*blocks {
		t.Errorf("the file has %d bytes, want %d", n, block*blocks)
	}
}

// testFsync catches a missing or wrong code for the two syncs.
func testFsync(t *testing.T, env Env) {
	r := newRig(t, env, 0, 0)
	fd := r.file([]byte("some"))
	r.want(r.op(backends.Op{Code: backends.OpFsync, FD: fd}), 0)
	r.want(r.op(backends.Op{Code: backends.OpFdatasync, FD: fd}), 0)
	rd, _ := r.pipe()
	r.want(r.op(backends.Op{Code: backends.OpFsync, FD: rd}), fail(syscall.EINVAL))
	r.want(r.op(backends.Op{Code: backends.OpFdatasync, FD: rd}), fail(syscall.EINVAL))
}

// vec makes an operation of several buffers.
func (r *rig) vec(code backends.Code, fd int, off int64, lens ...int) *op {
	o := r.op(backends.Op{Code: code, FD: fd, Off: off})
	for _, n := range lens {
		o.c.Bufs = append(o.c.Bufs, o.buf(n))
	}
	return o
}

// fill puts the sequence from off on into the operation's buffers.
func fill(bufs [][]byte, off int) {
	for _, b := range bufs {
		off += copy(b, seq(off, len(b)))
	}
}

// gathered is the data that a finished read brought into several buffers.
func (o *op) gathered(bufs [][]byte) []byte {
	all := bytes.Join(bufs, nil)
	return all[:min(int(max(o.res, 0)), len(all))]
}

// testVectored catches buffers that are skipped, used in the wrong order, or gone before the kernel
// looks.
func testVectored(t *testing.T, env Env) {
	r := newRig(t, env, 0, 0)
	rd, wr := r.pipe()
	file := r.file(seq(0, 1000))

	lens := []int{3, 0, 1, 100, 0, 7}
	o := r.vec(backends.OpReadv, file, 50, lens...)
	if r.do(o); o.res <= 0 || o.res > 111 {
		t.Fatalf("%v: %s, want 111", o, result(o.res))
	}
	checkSeq(t, o, o.gathered(o.c.Bufs), 50)

	o = r.vec(backends.OpWritev, file, 1000, lens...)
	fill(o.c.Bufs, 1000)
	if r.do(o); o.res <= 0 || o.res > 111 {
		t.Fatalf("%v: %s, want 111", o, result(o.res))
	}
	if all := r.content(file); len(all) != 1000+int(o.res) {
		t.Errorf("the file has %d bytes after %v: %s", len(all), o, result(o.res))
	} else {
		checkSeq(t, o, all, 0)
	}

	pending := r.vec(backends.OpReadv, rd, backends.Stream, 2, 4, 200)
	r.submit(pending)
	r.poll(backends.NoWait)
	o = r.vec(backends.OpWritev, wr, backends.Stream, 1, 9, 30)
	fill(o.c.Bufs, 0)
	if r.do(o); o.res <= 0 {
		t.Fatalf("%v: %s", o, result(o.res))
	}
	r.wait(pending)
	if pending.res <= 0 || pending.res > o.res {
		t.Fatalf("%v: %s, after a write of %d", pending, result(pending.res), o.res)
	}
	checkSeq(t, pending, pending.gathered(pending.c.Bufs), 0)
	r.readFull(rd, int(o.res-pending.res))

	for _, o := range []*op{
		r.vec(backends.OpReadv, file, 0), r.vec(backends.OpWritev, file, 0),
		r.vec(backends.OpReadv, file, 0, 0, 0), r.vec(backends.OpWritev, file, 0, 0, 0),
	} {
		r.want(o, 0)
	}
}

// testTooManyBuffers catches backends that fail, or overrun something, where an operation has more
// buffers than the kernel takes, or more bytes than a result can count.
func testTooManyBuffers(t *testing.T, env Env) {
	r := newRig(t, env, 0, 0)
	fd := r.file(nil)
	lens := make([]int, backends.MaxIovecs+100)
	for i := range lens {
		lens[i] = 2
	}
	o := r.vec(backends.OpWritev, fd, 0, lens...)
	fill(o.c.Bufs, 0)
	if r.do(o); o.res <= 0 || o.res > 2*backends.MaxIovecs {
		t.Fatalf("%v of %d buffers: %s, want %d", o, len(lens), result(o.res), 2*backends.MaxIovecs)
	}
	wrote := int(o.res)
	o = r.vec(backends.OpReadv, fd, 0, lens...)
	if r.do(o); o.res <= 0 || int(o.res) > wrote {
		t.Fatalf("%v of %d buffers: %s, want %d", o, len(lens), result(o.res), wrote)
	}
	checkSeq(t, o, o.gathered(o.c.Bufs), 0)

	rd, wr := r.pipe()
	big := make([]byte, 64<<20) // 80 times this is more than 32 bits count; the pipe takes the first few pages
	o = r.op(backends.Op{Code: backends.OpWritev, FD: wr, Off: backends.Stream})
	for range 80 {
		o.c.Bufs = append(o.c.Bufs, big)
	}
	if r.do(o); o.res <= 0 || int(o.res) > len(big) {
		t.Fatalf("%v of 5 GiB to a pipe: %s, want what the pipe holds", o, result(o.res))
	}
	r.closeFD(wr)
	if n := len(r.readToEnd(rd)); n != int(o.res) {
		t.Errorf("%v: %s, but the pipe held %d", o, result(o.res), n)
	}
}

// testHugeBuffer catches lengths that are cut to 32 bits instead of to MaxTransfer.
func testHugeBuffer(t *testing.T, env Env) {
	huge, ok := env.(hugeEnv)
	if !ok || strconv.IntSize < 64 {
		t.Skip("the environment has no huge buffers")
	}
	r := newRig(t, env, 0, 0)
	if math.MaxInt == math.MaxInt32 {
		t.Skip("there is no such buffer on a 32-bit system")
	}
	size := int(int64(1) << 32 & math.MaxInt)
	buf := huge.HugeBuf(t, size+1)
	copy(buf, seq(0, 1<<20))
	rd, wr := r.pipe()
	a, _ := r.socketPair()
	b, _ := r.socketPair()
	for _, o := range []*op{
		r.op(backends.Op{Code: backends.OpWrite, FD: wr, Off: backends.Stream, Buf: buf}),
		r.op(backends.Op{Code: backends.OpSend, FD: a, Buf: buf}),
		r.op(backends.Op{Code: backends.OpSendMsg, FD: b, Msg: &backends.Msg{Bufs: [][]byte{buf}}}),
		r.op(backends.Op{Code: backends.OpRead, FD: rd, Off: backends.Stream, Buf: buf[2<<20:]}),
	} {
		if r.do(o); o.res <= 1 || o.res > backends.MaxTransfer {
			t.Errorf("%v: %s, want what fits into a pipe or socket", o, result(o.res))
		}
		if o.c.Code == backends.OpRead {
			checkSeq(t, o, o.got(), 0)
		}
	}
}
