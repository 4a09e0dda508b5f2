package sys

import (
	"bytes"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// Calls that must not wait do not, on a pipe in blocking mode, whether they keep the P or are too
// large for that, and whether their iovecs are on the stack or from the pool.
func TestVectorsNoWait(t *testing.T) {
	for _, tt := range []struct {
		name       string
		many, size int
	}{
		{"small", 1, 100},
		{"small parts", 2*fewIovecs + 1, 100},
		{"at the limit", 1, copied},
		{"large", 1, copied + 1},
		{"large parts", 2*fewIovecs + 1, copied},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var p [2]int
			if err := unix.Pipe2(p[:], unix.O_CLOEXEC); err != nil {
				t.Fatal(err)
			}
			defer unix.Close(p[0])
			defer unix.Close(p[1])
			in, out := make([][]byte, tt.many), make([][]byte, tt.many)
			for i := range in {
				in[i], out[i] = make([]byte, tt.size), bytes.Repeat([]byte{byte(i + 1)}, tt.size)
			}
			n, errno := Preadv(p[0], in, 0, -1, unix.RWF_NOWAIT)
			switch errno {
			case syscall.EAGAIN:
			case syscall.EOPNOTSUPP, syscall.ENOSYS, syscall.EPERM:
				t.Skip("no RWF_NOWAIT for pipes here:", errno)
			default:
				t.Fatalf("read from an empty pipe: %d, %v", n, errno)
			}
			const skip = 10
			sent, errno := Pwritev(p[1], out, skip, -1, unix.RWF_NOWAIT)
			if errno != 0 || sent <= 0 || sent > tt.many*tt.size-skip {
				t.Fatalf("write of %d x %d: %d, %v", tt.many, tt.size, sent, errno)
			}
			for got := 0; got < sent; got += n {
				if n, errno = Preadv(p[0], in, got, -1, unix.RWF_NOWAIT); errno != 0 || n <= 0 {
					t.Fatalf("read after %d of %d: %d, %v", got, sent, n, errno)
				}
			}
			if want := bytes.Join(out, nil)[skip : skip+sent]; !bytes.Equal(bytes.Join(in, nil)[:sent], want) {
				t.Error("what was read is not what was written")
			}
			if n, errno := Preadv(p[0], in, 0, -1, unix.RWF_NOWAIT); errno != syscall.EAGAIN {
				t.Errorf("read from the pipe when it is empty again: %d, %v", n, errno)
			}
			for errno = 0; errno == 0; {
				n, errno = Pwritev(p[1], out, 0, -1, unix.RWF_NOWAIT)
			}
			if errno != syscall.EAGAIN {
				t.Errorf("write to a full pipe: %d, %v", n, errno)
			}
		})
	}
}
