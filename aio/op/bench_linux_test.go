package op_test

import (
	"context"
	"fmt"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/weirgo/weir/aio/op"
	aiort "github.com/weirgo/weir/runtime"
)

func nops(n int) []*op.Op {
	ops := make([]*op.Op, n)
	for i := range ops {
		ops[i] = op.Nop()
	}
	return ops
}

// BenchmarkNop counts single operations. On the thread drive a list costs two switches between
// threads, however long it is: the caller wakes the loop's, which sleeps in the kernel, and that
// wakes one for the caller's goroutine. It is 20 to 40 microseconds on two cores, which nothing but
// company or longer lists make less, so drive auto uses the scheduler's for goroutines. (A caller
// that yields for a while before it parks makes it worse: the loop's thread then has to wait for a
// P.)
func BenchmarkNop(b *testing.B) {
	for _, drive := range []string{aiort.DriveThread, aiort.DriveScheduler} {
		for _, n := range []int{1, 32, 256} {
			b.Run(fmt.Sprintf("%s/%d", drive, n), func(b *testing.B) {
				r := start(b, aiort.Options{Drive: drive, Loops: 1})
				ops := nops(n)
				b.ReportAllocs()
				b.ResetTimer()
				for i := 0; i < b.N; i += n {
					r.ok(ops...)
				}
			})
		}
	}
	b.Run("callbacks/32", func(b *testing.B) {
		l, err := aiort.NewLoop(aiort.Options{})
		if err != nil {
			b.Skip(err)
		}
		ops := nops(32)
		left := 0
		var r op.Runner
		var again func(error)
		again = func(err error) {
			if err == nil && left > 0 {
				left -= len(ops)
				err = r.Start(l, again, ops...)
			}
			if err != nil {
				b.Error(err)
			}
		}
		b.ReportAllocs()
		for b.Loop() {
			left = 32 * 1000
			again(nil)
			if err := l.Run(aiort.UntilDone); err != nil {
				b.Fatal(err)
			}
		}
		b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/32000, "ns/nop")
		if err := l.Close(); err != nil {
			b.Fatal(err)
		}
	})
}

// BenchmarkChain counts links.
func BenchmarkChain(b *testing.B) {
	for _, drive := range []string{aiort.DriveThread, aiort.DriveScheduler} {
		b.Run(drive, func(b *testing.B) {
			r := start(b, aiort.Options{Drive: drive, Loops: 1})
			ops := nops(32)
			for _, o := range ops[:31] {
				o.Link()
			}
			b.ReportAllocs()
			for i := 0; i < b.N; i += len(ops) {
				r.ok(ops...)
			}
		})
	}
}

// BenchmarkZero reads 4 KiB from /dev/zero, one read at a time.
func BenchmarkZero(b *testing.B) {
	for _, drive := range []string{aiort.DriveThread, aiort.DriveScheduler} {
		b.Run(drive, func(b *testing.B) {
			r := start(b, aiort.Options{Drive: drive, Loops: 1})
			fd, err := unix.Open("/dev/zero", unix.O_RDONLY|unix.O_CLOEXEC, 0)
			if err != nil {
				b.Fatal(err)
			}
			defer unix.Close(fd)
			o := op.Read(fd, make([]byte, 4096), 0)
			b.ReportAllocs()
			for b.Loop() {
				if err := op.Do(context.Background(), r.l, o); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
