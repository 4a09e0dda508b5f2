package runtime

import (
	"os"
	"testing"
	"time"

	"github.com/weirgo/weir/internal/sys"

	"github.com/weirgo/weir/backends"
)

// TestCloseMany guards that the time Close of a loop takes is proportional to the operations in
// flight. It was quadratic on io_uring: 100,000 took 26 s, where a million takes two now.
func TestCloseMany(t *testing.T) {
	for _, backend := range []string{"io_uring", "epoll", "portable"} {
		if b := os.Getenv("WEIR_BACKEND"); b != "" && b != backend {
			continue
		}
		t.Run(backend, func(t *testing.T) {
			most := 200000
			if sys.RaceEnabled || testing.Short() {
				most = 100000
			}
			for try := 1; ; try++ {
				few, many := closeMany(t, backend, most/10), closeMany(t, backend, most)
				if many < 40*max(few, 10*time.Millisecond) { // it takes 100 times as long, if the time is a square
					break
				}
				if try == 5 { // a busy machine makes some times long
					t.Fatalf("%v of CPU for %d operations, %v for %d", few, most/10, many, most)
				}
			}
		})
	}
}

// closeMany closes a loop with n operations in flight and returns the CPU time that takes.
func closeMany(t *testing.T, backend string, n int) time.Duration {
	l, err := NewLoop(Options{Backend: backend, MaxInFlight: 1 << 20})
	if err != nil {
		t.Skip("no backend can start here: ", err)
	}
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	defer w.Close()
	over := 0
	cs, buf := make([]Completion, n), make([]byte, 1)
	for i := range cs {
		cs[i].Op = read(int(r.Fd()), buf)
		if i%2 == 0 {
			cs[i].Op = backends.Op{Code: backends.OpPoll, FD: int(r.Fd()), Flags: 1}
		}
		cs[i].Callback = func(c *Completion) Action {
			if c.Err() == ErrClosed {
				over++
			}
			return Disarm
		}
		if i%1000 == 0 {
			l.Turn(false)
		}
		if err := l.SubmitHere(&cs[i]); err != nil {
			t.Fatal(err)
		}
	}
	l.Turn(false)
	before := cpuTime()
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	cpu := cpuTime() - before
	if over != n {
		t.Errorf("%d of %d operations are over with ErrClosed", over, n)
	}
	return cpu
}
