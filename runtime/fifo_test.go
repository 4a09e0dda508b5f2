package runtime

import (
	"math/rand/v2"
	stdruntime "runtime"
	"slices"
	"testing"
	"time"

	"github.com/weirgo/weir/internal/sys"

	"github.com/weirgo/weir/backends"
)

// TestFIFO: a fifo is a queue from which any can leave, compared with a slice.
func TestFIFO(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	var q, other fifo
	var model []*Completion
	var cs [20]Completion
	for range 20000 {
		c := &cs[rng.IntN(len(cs))]
		switch in := slices.Index(model, c); rng.IntN(3) {
		case 0:
			if in < 0 {
				q.push(c)
				model = append(model, c)
			}
		case 1:
			if other.remove(c) || q.remove(c) != (in >= 0) {
				t.Fatalf("remove of number %d", in)
			}
			if in >= 0 {
				model = slices.Delete(model, in, in+1)
			}
		case 2:
			var want *Completion
			if len(model) > 0 {
				want, model = model[0], model[1:]
			}
			if q.pop() != want {
				t.Fatal("pop")
			}
		}
		if q.n != len(model) || q.n == 0 && (q.first != nil || q.last != nil) {
			t.Fatalf("%d in line, want %d", q.n, len(model))
		}
	}
}

// TestQueuesAreLinear: half a million operations queue, and are cancelled from the back, or let go.
// Where each looks at all others that is hours of work, and does not end in time.
func TestQueuesAreLinear(t *testing.T) {
	l, err := NewLoop(simOptions())
	if err != nil {
		t.Fatal(err)
	}
	n := 1 << 19
	if testing.Short() || sys.RaceEnabled {
		n = 1 << 17
	}
	p := newPool(0) // nothing leaves it by being done
	var e Event
	cs := make([]Completion, n)
	for i := range cs {
		cs[i].rarely()
	}
	for name, f := range map[string]func(n int){
		"a pool, cancelled from the back": func(n int) {
			for i := range n {
				p.run(&cs[i], nil)
			}
			for i := n - 1; i >= 0; i-- {
				if !p.withdraw(&cs[i]) {
					t.Fatal("not in line")
				}
			}
		},
		"an Event, notified": func(n int) {
			for i := range n {
				e.enter(&cs[i])
			}
			for range n {
				e.pass()
			}
		},
		"an Event, cancelled from the back": func(n int) {
			for i := range n {
				e.enter(&cs[i])
			}
			for i := n - 1; i >= 0; i-- {
				e.withdraw(&cs[i])
			}
		},
		"a gate, cancelled from the back": func(n int) {
			for i := range n {
				l.gate.queue.push(&cs[i])
				l.slots.take(&cs[i])
			}
			for i := n - 1; i >= 0; i-- {
				if !l.leaveQueue(&cs[i]) {
					t.Fatal("not in line")
				}
			}
			l.done = nil
		},
	} {
		begin := time.Now()
		f(n)
		t.Logf("%s: %v", name, time.Since(begin))
	}
	closed := make(chan error)
	go func() { closed <- l.Close() }()
	if err := <-closed; err != nil {
		t.Error(err)
	}
}

// TestSlotsShrink: after a burst the memory of what is over is free again, and no ID comes twice.
func TestSlotsShrink(t *testing.T) {
	var table slots
	cs := make([]Completion, 100*chunkLen)
	ids := map[backends.ID]bool{}
	for round := range 3 {
		var taken []*slot
		for i := range cs {
			if i%2 == 0 {
				cs[i].Op.Code = backends.OpTimeout
			}
			s := table.take(&cs[i])
			if ids[s.rec.ID] {
				t.Fatalf("round %d: %v comes twice", round, s.rec.ID)
			}
			ids[s.rec.ID] = true
			taken = append(taken, s)
		}
		if round == 0 {
			n := 0
			table.each(func(s *slot) { n++ })
			if n != len(cs)/2 {
				t.Errorf("each finds %d, want those that are not the loop's own, %d", n, len(cs)/2)
			}
			table.all(func(s *slot) { n-- })
			if n != -len(cs)/2 {
				t.Errorf("all finds %d", len(cs)/2-n)
			}
		}
		keep := taken[(37*round+5)*chunkLen/2]
		rand.New(rand.NewPCG(1, 2)).Shuffle(len(taken), func(i, j int) { taken[i], taken[j] = taken[j], taken[i] })
		for _, s := range taken {
			if s != keep {
				table.put(s)
			}
		}
		chunks := 0
		for _, k := range table.chunks {
			if k != nil {
				chunks++
			}
		}
		if chunks > spareChunks+1 || table.lookup(keep.rec.ID) != keep {
			t.Errorf("round %d: %d chunks are left; the one in use is found: %v", round, chunks,
				table.lookup(keep.rec.ID) == keep)
		}
		looked := 0
		for id := range ids {
			if table.lookup(id) != nil {
				looked++
			}
		}
		if looked != 1 {
			t.Errorf("round %d: %d are found, want 1", round, looked)
		}
		table.put(keep)
	}
}

// TestListsShrink: what a loop keeps to use again is in proportion to what it uses.
func TestListsShrink(t *testing.T) {
	eachLoop(t, Options{}, func(t *testing.T, r *rig) {
		const burst = 1 << 16
		cs := make([]Completion, burst)
		for i := range cs {
			cs[i].Op.Code, cs[i].Callback = backends.OpTimeout, func(*Completion) Action { return Disarm }
			cs[i].SetDeadline(r.l.Now() + int64(time.Hour))
			if err := r.l.Submit(&cs[i]); err != nil {
				t.Fatal(err)
			}
		}
		r.run(NoWait)
		for i := range cs {
			r.l.Cancel(&cs[i])
		}
		r.run(UntilDone)
		l := r.l
		for what, n := range map[string]int{"alarms": cap(l.alarms), "outcomes": cap(l.done), "batch": cap(l.batch),
			"cancels": cap(l.cancels), "chunks": cap(l.slots.chunks)} {
			if n > 4*minSpare {
				t.Errorf("%s: room for %d is kept", what, n)
			}
		}
		if len(l.alarms) > 2*minSpare {
			t.Errorf("%d alarms are kept", len(l.alarms))
		}
	})
}

// TestBackendTablesShrink: after a burst a backend keeps memory for what is in flight, not for what
// once was.
func TestBackendTablesShrink(t *testing.T) {
	for _, d := range picked(systemLoops()) {
		t.Run(d.name, func(t *testing.T) {
			r := startLoop(t, d, Options{})
			const burst = 1 << 15
			rd, wr := r.pipe()
			lasting := r.submit(poll(rd, 1, false), func(*Completion) Action { return Disarm })
			run := func(n int) {
				cs := make([]Completion, n)
				over := 0
				for i := range cs {
					cs[i].Callback = count(&over)
					switch cs[i].Op = poll(rd, 1, false); i % 3 {
					case 1:
						cs[i].Op = backends.Op{
							Code: backends.OpReadv, FD: rd, Off: backends.Stream, Bufs: [][]byte{make([]byte, 1),
								make([]byte, 1)},
						}
					case 2:
						cs[i].Op = read(rd, make([]byte, 1))
					}
					if err := r.l.Submit(&cs[i]); err != nil {
						t.Fatal(err)
					}
				}
				r.run(NoWait)
				for i := range cs {
					r.l.Cancel(&cs[i])
				}
				r.runUntil("all are over", func() bool { return over == n })
			}
			heap := func() int64 {
				var m stdruntime.MemStats
				stdruntime.GC()
				stdruntime.GC()
				stdruntime.ReadMemStats(&m)
				return int64(m.HeapAlloc)
			}
			run(2 * spareChunks * chunkLen)
			before := heap()
			run(burst)
			run(100) // the poller of portable looks when it wakes
			if grown := heap() - before; grown > 1<<20 {
				t.Errorf("%d bytes are kept after %d operations", grown, burst)
			}
			run(burst) // all that was let go is made again
			r.put(wr, 1)
			r.run(UntilDone)
			if lasting.Err() != nil || lasting.N() == 0 {
				t.Errorf("the operation that was in flight all the time: %d, %v", lasting.N(), lasting.Err())
			}
			if _, ok := r.l.be.(backends.Shrinker); !ok {
				t.Error("the backend does not shrink")
			}
		})
	}
}
