package uring

import (
	"errors"
	"os"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/weirgo/weir/backends"
	"github.com/weirgo/weir/internal/sys"
)

// known registers a region or skips the test.
func (r *rig) known(index, size int) *backends.Region {
	r.t.Helper()
	region := sys.NewRegion(index, size)
	if err := r.Register(region); err != nil {
		if errors.Is(err, unix.EINVAL) {
			r.t.Skip("no sparse tables of buffers (Linux 5.19):", err)
		}
		r.t.Fatal(err)
	}
	return region
}

func on(region *backends.Region, code backends.Code, fd int, buf []byte) backends.Op {
	return backends.Op{Code: code, FD: fd, Buf: buf, Args: &backends.Args{Region: region}}
}

// TestRegionEncoding: an entry is of the fixed kind only if the ring knows the region and the
// buffer lies in it.
func TestRegionEncoding(t *testing.T) {
	r := newRig(t, Config{})
	before := r.Counters().Syscalls
	one, two := r.known(3, 8192), r.known(0, 4096)
	if n := r.Counters().Syscalls - before; n != 3 {
		t.Errorf("two regions took %d system calls, want 3", n)
	}
	stranger := sys.NewRegion(3, 8192)
	check := func(name string, op backends.Op, opcode sys.Opcode, index uint16) {
		t.Helper()
		var e sys.SQE
		r.encode(&e, &backends.Completion{Op: op, ID: testID})
		want := sys.SQE{Opcode: uint8(opcode), Fd: 5, Addr: number(&op.Buf[:1][0]), Len: uint32(len(op.Buf)),
			UserData: uint64(testID), BufIndex: index}
		if e != want {
			t.Errorf("%s:\n%+v, want\n%+v", name, e, want)
		}
	}
	read, write := backends.OpRead, backends.OpWrite
	check("read", on(one, read, 5, one.Mem), sys.OpReadFixed, 3)
	check("write", on(one, write, 5, one.Mem[4000:5000]), sys.OpWriteFixed, 3)
	check("another", on(two, write, 5, two.Mem[:1]), sys.OpWriteFixed, 0)
	check("other memory", on(one, read, 5, two.Mem), sys.OpRead, 0)
	check("nothing", on(one, read, 5, one.Mem[:0]), sys.OpRead, 0)
	check("of another ring", on(stranger, write, 5, stranger.Mem), sys.OpWrite, 0)
	check("beyond the table", on(&backends.Region{Index: backends.MaxRegions, Mem: one.Mem}, read, 5, one.Mem),
		sys.OpRead, 0)
	check("no region", on(nil, read, 5, one.Mem), sys.OpRead, 0)
	atomic := on(one, write, 5, one.Mem)
	atomic.Flags = unix.RWF_ATOMIC // which the kernel takes of no registered memory
	var e sys.SQE
	if r.encode(&e, &backends.Completion{Op: atomic, ID: testID}); e.Opcode != uint8(sys.OpWrite) ||
		e.OpFlags != unix.RWF_ATOMIC {
		t.Errorf("an atomic write: opcode %d, flags %#x", e.Opcode, e.OpFlags)
	}
	r.Unregister(one)
	r.Unregister(one)
	r.Unregister(stranger)
	check("unregistered", on(one, read, 5, one.Mem), sys.OpRead, 0)
	check("still there", on(two, read, 5, two.Mem), sys.OpReadFixed, 0)
	for _, index := range []int{-1, backends.MaxRegions} {
		if err := r.Register(&backends.Region{Index: index, Mem: one.Mem}); err == nil {
			t.Errorf("registered at %d", index)
		}
	}
}

// TestRegionTransfers: the kernel has what was registered, until it was unregistered; then its
// place is another's.
func TestRegionTransfers(t *testing.T) {
	r := newRig(t, Config{})
	f, err := os.CreateTemp(t.TempDir(), "")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	fd := int(f.Fd())
	do := func(op backends.Op, want int32) {
		t.Helper()
		r.want(want, r.submitted(r.op(op))...)
	}
	region := r.known(backends.MaxRegions-1, 8192)
	for i := range region.Mem {
		region.Mem[i] = byte(i * 7)
	}
	do(on(region, backends.OpWrite, fd, region.Mem[:6000]), 6000)
	clear(region.Mem)
	do(on(region, backends.OpRead, fd, region.Mem[1000:8000]), 6000)
	for i, b := range region.Mem {
		if want := byte((i - 1000) * 7); i >= 1000 && i < 7000 && b != want || (i < 1000 || i >= 7000) && b != 0 {
			t.Fatalf("byte %d is %d", i, b)
		}
	}
	do(on(region, backends.OpRead, -1, region.Mem), -int32(unix.EBADF))

	// The backend's belief is the kernel's: if it thinks that a region is registered which is not,
	// the kernel refuses.
	r.Unregister(region)
	r.regions[region.Index] = region
	do(on(region, backends.OpRead, fd, region.Mem), -int32(unix.EFAULT))
	r.regions[region.Index] = nil
	do(on(region, backends.OpRead, fd, region.Mem), 6000) // a plain one
	next := r.known(region.Index, 4096)
	do(on(next, backends.OpRead, fd, next.Mem), 4096)
}

// TestRegionOutlived: an operation goes on with memory that has been unregistered under it.
func TestRegionOutlived(t *testing.T) {
	r := newRig(t, Config{})
	rd, wr := pipe(t)
	region := r.known(0, 4096)
	op := on(region, backends.OpRead, rd, region.Mem)
	op.Off = backends.Stream
	c := r.submitted(r.op(op))
	r.flush()
	r.Unregister(region)
	other := r.known(0, 4096)
	write(t, wr, "late")
	r.want(4, c...)
	if got := string(region.Mem[:4]); got != "late" || other.Mem[0] != 0 {
		t.Errorf("%q came, and the other's memory begins with %d", got, other.Mem[0])
	}
}

// TestRegionDenied: a kernel that refuses to register is no harm.
func TestRegionDenied(t *testing.T) {
	r := newRig(t, Config{})
	fd := r.ring.FD()
	for name, err := range map[string]error{
		"a table of no size": sys.MakeBufferTable(fd, 0),
		"without a table":    sys.SetBuffer(fd, 0, make([]byte, 10)),
	} {
		if err == nil {
			t.Errorf("%s: no error", name)
		}
	}
	r.known(1, 10)
	if err := sys.SetBuffer(fd, backends.MaxRegions, make([]byte, 10)); !errors.Is(err, unix.EINVAL) {
		t.Errorf("beyond the table: %v", err)
	}
}
