package runtime

import (
	"testing"

	"golang.org/x/sys/unix"

	"github.com/weirgo/weir/backends"
)

// BenchmarkZeroCallback is zig-aio's benchmark of files: 4 KiB from /dev/zero, one read after the
// other, each started by the callback of the one before.
func BenchmarkZeroCallback(b *testing.B) {
	for _, d := range picked(systemLoops()) {
		b.Run(d.name, func(b *testing.B) {
			r := startLoop(b, d, Options{})
			fd, err := unix.Open("/dev/zero", unix.O_RDONLY|unix.O_CLOEXEC, 0)
			if err != nil {
				b.Fatal(err)
			}
			r.own(fd)
			b.ReportAllocs()
			left := b.N
			c := &Completion{Op: backends.Op{Code: backends.OpRead, FD: fd, Buf: make([]byte, 4096)}}
			c.Callback = func(c *Completion) Action {
				if c.N() != 4096 {
					b.Errorf("read %d: %v", c.N(), c.Err())
				}
				if left--; left > 0 {
					return Rearm
				}
				return Disarm
			}
			if err := r.l.Submit(c); err != nil {
				b.Fatal(err)
			}
			r.run(UntilDone)
			report(b, r)
		})
	}
}
