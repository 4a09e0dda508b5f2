//go:build !weir_portable

package coro

import (
	"syscall"
	"testing"
	"time"

	"github.com/weirgo/weir/aio/op"
	"github.com/weirgo/weir/internal/sys"
)

// BenchmarkNopsPaired alternates between BenchmarkNops and the same on a bare ring, which is the
// least that it takes: entries filled in, one system call for each 32, completions counted. One op
// is one nop of a coroutine, and ring-ns/op is what one takes on the ring; rate is that of
// coroutines, 1 being the ring's.
func BenchmarkNopsPaired(b *testing.B) {
	const list, lists = 32, 1000 // in a turn
	benchmark(b, func(t *Task) {
		ring, err := sys.NewRing(list, 2*list, sys.SetupSingleIssuer|sys.SetupDeferTaskrun)
		if err != nil {
			b.Skip("no ring here:", err)
		}
		defer ring.Close()
		ops := make([]*op.Op, list)
		for i := range ops {
			ops[i] = op.Nop()
		}
		var of [2]time.Duration
		n := 0
		for ; n == 0 || n < b.N; n += list * lists {
			start := time.Now()
			for range lists {
				if err := t.Do(ops...); err != nil {
					b.Fatal(err)
				}
			}
			middle := time.Now()
			for range lists {
				if errno := nops(ring, list); errno != 0 {
					b.Fatal(errno)
				}
			}
			of[0], of[1] = of[0]+middle.Sub(start), of[1]+time.Since(middle)
		}
		b.ReportMetric(float64(of[0])/float64(n), "ns/op")
		b.ReportMetric(float64(of[1])/float64(n), "ring-ns/op")
		b.ReportMetric(float64(of[1])/float64(of[0]), "rate")
	})
}

// nops has a ring do n nops.
func nops(ring *sys.Ring, n uint32) syscall.Errno {
	for i := range n {
		e := ring.SQE()
		e.Opcode, e.Fd, e.UserData = sys.OpNop, -1, uint64(i)
	}
	if _, errno := ring.EnterBriefly(); errno != 0 {
		return errno
	}
	if ring.CQReady() != n {
		return syscall.EIO
	}
	sum := uint64(0)
	for i := range n {
		sum += ring.CQE(i).UserData
	}
	ring.CQAdvance(n)
	if sum != uint64(n)*uint64(n-1)/2 {
		return syscall.EIO
	}
	return 0
}
