package runtime

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"
)

// BenchmarkNopCallback is a round through the loop and the kernel, on the callback lane.
func BenchmarkNopCallback(b *testing.B) {
	for _, d := range picked(systemLoops()) {
		for _, width := range []int{1, 64} {
			b.Run(fmt.Sprintf("%s/%d", d.name, width), func(b *testing.B) {
				r := startLoop(b, d, Options{})
				b.ReportAllocs()
				left := b.N
				cs := make([]Completion, width)
				for i := range cs {
					cs[i].Op = nop()
					cs[i].Callback = func(*Completion) Action {
						if left--; left >= width {
							return Rearm
						}
						return Disarm
					}
					if err := r.l.Submit(&cs[i]); err != nil {
						b.Fatal(err)
					}
				}
				r.run(UntilDone)
				report(b, r)
			})
		}
	}
}

// BenchmarkNopDo is the same for goroutines that wait.
func BenchmarkNopDo(b *testing.B) {
	for _, d := range picked(systemDrives()) {
		for _, width := range []int{1, 64} {
			b.Run(fmt.Sprintf("%s/%d", d.name, width), func(b *testing.B) {
				r := startRuntime(b, d, Options{})
				b.ReportAllocs()
				var wg sync.WaitGroup
				for i := range width {
					wg.Go(func() {
						c := &Completion{Op: nop()}
						for range (b.N + width - 1 - i) / width {
							if err := r.l.Do(context.Background(), c); err != nil {
								b.Error(err)
							}
						}
					})
				}
				wg.Wait()
				report(b, r)
			})
		}
	}
}

// report adds how well operations were batched.
func report(b *testing.B, r *rig) {
	s := r.l.Stats()
	if n := float64(s.Total()); n > 0 {
		b.ReportMetric(float64(s.Syscalls)/n, "syscalls/op")
	}
}

// Benchmark10MTimers is libuv's million-timers benchmark, of 10 million: every 1,000 timers the
// timeout is a millisecond longer. The kernel is a simulated one, whose clock does not wait.
func Benchmark10MTimers(b *testing.B) {
	const n = 10_000_000
	r := startLoop(b, simLane(""), Options{})
	timers := make([]Timer, n)
	fired := 0
	f := func(*Timer) Action { fired++; return Disarm }
	r.run(NoWait)
	var insert, fire time.Duration
	for b.Loop() {
		fired = 0
		begin := time.Now()
		after := time.Duration(0)
		for i := range timers {
			if i%1000 == 0 {
				after += time.Millisecond
			}
			timers[i].Start(r.l, after, f)
		}
		insert += time.Since(begin)
		begin = time.Now()
		r.run(UntilDone)
		fire += time.Since(begin)
		if fired != n {
			b.Fatalf("%d timers fired", fired)
		}
	}
	per := func(d time.Duration) float64 { return float64(d.Nanoseconds()) / float64(b.N) / n }
	b.ReportMetric(per(insert), "insert-ns/timer")
	b.ReportMetric(per(fire), "fire-ns/timer")
	b.ReportMetric(per(insert+fire), "total-ns/timer")
}

// BenchmarkAsyncPummel is libuv's async-pummel: a goroutine that notifies without a pause, until
// the callback has run b.N times.
func BenchmarkAsyncPummel(b *testing.B) {
	for _, d := range picked(systemLoops()) {
		for _, senders := range []int{1, 4} {
			b.Run(fmt.Sprintf("%s/%d", d.name, senders), func(b *testing.B) {
				r := startLoop(b, d, Options{})
				b.ReportAllocs()
				calls := 0
				var a Async
				if err := a.Start(r.l, func(*Async) Action {
					if calls++; calls >= b.N {
						return Disarm
					}
					return Rearm
				}); err != nil {
					b.Fatal(err)
				}
				var wg sync.WaitGroup
				var sent [4]int
				over := make(chan struct{})
				for i := range senders {
					wg.Go(func() {
						for {
							select {
							case <-over:
								return
							default:
								a.Notify()
								sent[i]++
							}
						}
					})
				}
				r.run(UntilDone)
				b.StopTimer()
				close(over)
				wg.Wait()
				total := 0
				for _, n := range sent {
					total += n
				}
				b.ReportMetric(float64(total)/float64(b.N), "notifies/op")
				report(b, r)
			})
		}
	}
}
