package sim_test

import (
	"bytes"
	"errors"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/weirgo/weir/backends"
	"github.com/weirgo/weir/backends/sim"
)

// The same seed gives the same events and the same trace; another seed gives others.
func TestDeterminism(t *testing.T) {
	run := func(seed uint64) *driver {
		f := sim.Swarm(seed)
		f.LostCancel = 0 // nothing here asks again
		d := start(t, sim.Config{Seed: seed, Faults: f, CQEntries: 8})
		workload(d, 1500)
		return d
	}
	var last *driver
	for seed := range uint64(10) {
		a, b := run(seed), run(seed)
		if ids(a.log) != ids(b.log) {
			t.Fatalf("seed %d: two runs had different events", seed)
		}
		if at, bt := a.Trace(), b.Trace(); !slices.Equal(at, bt) {
			t.Fatalf("seed %d: two runs had different traces", seed)
		}
		if a.Now() != b.Now() || a.Counters() != b.Counters() {
			t.Fatalf("seed %d: two runs ended at %d and %d, with %+v and %+v", seed, a.Now(), b.Now(), a.Counters(),
				b.Counters())
		}
		if last != nil && slices.Equal(last.Trace(), a.Trace()) {
			t.Errorf("seeds %d and %d had the same trace", seed-1, seed)
		}
		last = a
	}
}

// What holds under all faults, over many seeds.
func TestSwarm(t *testing.T) {
	seeds := uint64(150)
	if testing.Short() {
		seeds = 20
	}
	first := sim.SeedFromEnv(100)
	for seed := first; seed < first+seeds; seed++ {
		f := sim.Swarm(seed)
		f.LostCancel = 0 // nothing here asks again
		breach := f.Stale > 0 || f.Duplicate > 0
		d := start(t, sim.Config{Seed: seed, Faults: f, CQEntries: 1 + int(seed%40), Entries: 1 + int(seed%7),
			Buffer: 1 + int(seed%5)*100})
		workload(d, 300)
		if !breach {
			d.checkOnce()
		}
		if t.Failed() {
			return
		}
	}
}

// The clock stands still unless Poll waits, and then jumps to what comes next.
func TestClock(t *testing.T) {
	d := start(t, sim.Config{Faults: sim.Faults{Delay: 1}, MaxDelay: time.Second})
	t0 := d.Now()
	for range 10 {
		d.poll(backends.NoWait)
		d.poll(t0 - 1)
		d.poll(t0)
	}
	if d.Now() != t0 {
		t.Errorf("the clock moved by %d while nobody waited", d.Now()-t0)
	}
	d.poll(t0 + 5)
	if d.Now() != t0+5 {
		t.Errorf("the clock is at +%d, want the deadline, +5", d.Now()-t0)
	}
	c := d.add(nop())
	d.poll(backends.NoWait)
	if d.done(c) {
		t.Error("a delayed operation was over at once")
	}
	if n := d.poll(backends.Forever); n != 1 || !d.done(c) {
		t.Errorf("Poll returned %d events, want the one that is due", n)
	}
	if now := d.Now(); now <= t0+5 || now > t0+5+int64(time.Second) {
		t.Errorf("the clock is at +%d, want at most a second later", now-t0)
	}
}

// Where nothing is due, Poll waits for real: for Wake, or for something that another goroutine
// does.
func TestBlocksForReal(t *testing.T) {
	d := start(t, sim.Config{})
	t0 := d.Now()
	var wg sync.WaitGroup
	later := func(do func()) {
		wg.Go(func() {
			time.Sleep(2 * time.Millisecond)
			do()
		})
	}
	later(d.Wake)
	if n := d.poll(backends.Forever); n != 0 {
		t.Errorf("a Wake brought %d events", n)
	}
	r, w := d.Pipe()
	c := d.add(read(r, 10))
	later(func() { d.CloseFD(w) })
	if n := d.poll(backends.Forever); n != 1 || d.result(c) != 0 {
		t.Errorf("closing the other end brought %d events, want the end of the stream", n)
	}
	later(func() { d.Fail(errors.New("the ring is gone")) })
	if _, err := d.Poll(make([]backends.Event, 1), backends.Forever); err == nil {
		t.Error("Poll does not report that the backend is lost")
	}
	wg.Wait()
	if d.Now() != t0 {
		t.Error("the clock moved")
	}
	d.add(nop())
	if err := d.Close(); err != nil { // allowed with operations in flight, as the backend is lost
		t.Error(err)
	}
	d.Wake()
}

// In a bubble of package synctest a Poll that waits for real counts as blocked, so that the
// bubble's time goes on.
func TestSynctest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := start(t, sim.Config{})
		r, w := d.Pipe()
		c := d.add(read(r, 1))
		begin := time.Now()
		go func() {
			time.Sleep(time.Hour)
			d.Wake()
			time.Sleep(time.Hour)
			d.CloseFD(w)
		}()
		d.poll(backends.Forever)
		if by := time.Since(begin); by != time.Hour || d.done(c) {
			t.Errorf("Poll was woken after %v, done=%v; want an hour, and not yet", by, d.done(c))
		}
		d.poll(backends.Forever)
		if by := time.Since(begin); by != 2*time.Hour || !d.done(c) {
			t.Errorf("Poll was woken after %v, done=%v; want two hours, and the event", by, d.done(c))
		}
	})
}

// A Wake is used up by the wait that it ends, and by no other Poll.
func TestWakeOnce(t *testing.T) {
	d := start(t, sim.Config{})
	t0 := d.Now()
	d.Wake()
	d.Wake()
	d.poll(backends.NoWait)
	c := d.add(nop())
	d.want(c, 0)
	if d.poll(t0 + 100); d.Now() != t0 {
		t.Error("Poll waited, though there was a Wake")
	}
	if d.poll(t0 + 100); d.Now() != t0+100 {
		t.Error("the Wake was not used up")
	}
}

// Data moves when the operation completes, not before, and afterwards the memory belongs to the
// caller.
func TestMemory(t *testing.T) {
	d := start(t, sim.Config{})
	r, w := d.Pipe()
	c := d.add(read(r, 4))
	d.poll(backends.NoWait)
	wc := d.add(write(w, "data"))
	if !bytes.Equal(c.Buf, make([]byte, 4)) {
		t.Error("data moved before Poll")
	}
	d.want(c, 4)
	d.want(wc, 4)
	if string(c.Buf) != "data" {
		t.Errorf("the buffer has %q", c.Buf)
	}
	for _, c := range []*backends.Completion{c, wc} { // all of it may be used again
		clear(c.Buf)
		c.Buf, c.ID = nil, 0
	}
	d.add(write(w, "more"))
	d.poll(backends.NoWait)
	if c.Buf != nil || string(d.Data(r)) != "more" {
		t.Errorf("the pipe has %q", d.Data(r))
	}
}

// A descriptor is looked up when Poll hands the operation over, and a closed one does not end what
// is pending.
func TestDescriptors(t *testing.T) {
	d := start(t, sim.Config{FDs: 4})
	a := d.File([]byte("A"))
	c := d.add(read(a, 1))
	d.CloseFD(a)
	if b := d.File([]byte("B")); b != a {
		t.Fatalf("the lowest free descriptor is %d, got %d", a, b)
	}
	d.want(c, 1)
	if c.Buf[0] != 'B' {
		t.Errorf("read from file %q, want B", c.Buf)
	}
	d.CloseFD(a)

	x, y := d.SocketPair()
	c = d.add(backends.Op{Code: backends.OpRecv, FD: x, Buf: make([]byte, 1)})
	d.poll(backends.NoWait)
	d.CloseFD(x)
	end := d.add(read(y, 1))
	d.poll(d.Now() + 10)
	if d.done(c) || d.done(end) {
		t.Error("closing a descriptor ended an operation, or the file that the operation keeps open")
	}
	d.cancel(c)
	d.wantErr(c, syscall.ECANCELED)
	d.want(end, 0)
	d.CloseFD(y)

	l, addr := d.Listen()
	d.Socket()
	s := d.Socket()
	d.want(d.add(backends.Op{Code: backends.OpConnect, FD: s, Addr: addr}), 0)
	d.Socket()
	accept := backends.Op{Code: backends.OpAccept, FD: l}
	d.wantErr(d.add(accept), syscall.EMFILE)
	d.CloseFD(s)
	d.want(d.add(accept), int32(s)) // the connection was kept
	if err := d.CloseFD(99); err != syscall.EBADF {
		t.Errorf("closing nothing: %v", err)
	}
}

// Connections that find the backlog full wait, and are refused when the listener goes.
func TestBacklog(t *testing.T) {
	d := start(t, sim.Config{Backlog: 2})
	l, addr := d.Listen()
	var connects []*backends.Completion
	for range 6 {
		connects = append(connects, d.add(backends.Op{Code: backends.OpConnect, FD: d.Socket(), Addr: addr}))
	}
	d.pass(time.Second)
	for i, c := range connects {
		if d.done(c) != (i < 2) {
			t.Fatalf("connection %d: done=%v, with room for 2", i, d.done(c))
		}
	}
	d.cancel(connects[2])
	d.wantErr(connects[2], syscall.ECANCELED)
	for range 2 {
		d.result(d.add(backends.Op{Code: backends.OpAccept, FD: l}))
	}
	d.want(connects[3], 0)
	d.want(connects[4], 0)
	d.CloseFD(l)
	d.wantErr(connects[5], syscall.ECONNREFUSED)
	d.wantErr(d.add(read(connects[4].FD, 1)), syscall.ECONNRESET)
	d.want(d.add(read(connects[4].FD, 1)), 0)
}

// A connection that is closed with data unread is reset.
func TestReset(t *testing.T) {
	d := start(t, sim.Config{})
	a, b := d.SocketPair()
	d.want(d.add(write(a, "unread")), 6)
	d.want(d.add(write(b, "read")), 4)
	d.CloseFD(b)
	d.want(d.add(read(a, 10)), 4)
	d.wantErr(d.add(read(a, 10)), syscall.ECONNRESET)
	d.want(d.add(read(a, 10)), 0)
	d.wantErr(d.add(write(a, "x")), syscall.EPIPE)
}

// Files have an end, and a limit.
func TestFileLimit(t *testing.T) {
	d := start(t, sim.Config{FileSize: 10})
	fd := d.File(nil)
	d.want(d.add(backends.Op{Code: backends.OpWrite, FD: fd, Off: 8, Buf: []byte("abcd")}), 2)
	d.wantErr(d.add(backends.Op{Code: backends.OpWrite, FD: fd, Off: 10, Buf: []byte("x")}), syscall.EFBIG)
	d.wantErr(d.add(backends.Op{Code: backends.OpWrite, FD: fd, Off: 1<<63 - 1, Buf: []byte("x")}), syscall.EFBIG)
	d.want(d.add(backends.Op{Code: backends.OpRead, FD: fd, Off: 1<<63 - 1, Buf: make([]byte, 1)}), 0)
	if got := string(d.Data(fd)); got != "\x00\x00\x00\x00\x00\x00\x00\x00ab" {
		t.Errorf("the file has %q", got)
	}
}

// Events that do not fit into the completion queue come later, in order, and end multishot
// operations.
func TestOverflow(t *testing.T) {
	d := start(t, sim.Config{CQEntries: 3})
	r, w := d.Pipe()
	m := d.add(pollIn(r, true))
	d.poll(backends.NoWait)
	var nops []*backends.Completion
	for range 5 {
		nops = append(nops, d.add(nop()))
	}
	wc := d.add(write(w, "x"))
	if n := d.poll(backends.NoWait); n != 3 {
		t.Errorf("%d events came at once, want the 3 that fit", n)
	}
	if !d.Pending() {
		t.Error("events wait for room, but the Sim is not Pending")
	}
	for d.Pending() {
		d.poll(backends.NoWait)
	}
	var want []backends.Event
	for _, c := range nops {
		want = append(want, backends.Event{ID: c.ID})
	}
	want = append(want, backends.Event{ID: wc.ID, Res: 1}, backends.Event{ID: m.ID, Res: sim.PollIn})
	if ids(d.log) != ids(want) {
		t.Errorf("events %v, want %v", d.log, want)
	}
	if d.Counters().Overflows == 0 {
		t.Error("no overflow was counted")
	}
	d.want(d.add(pollIn(r, false)), sim.PollIn)
}

// The trace keeps the last lines.
func TestTraceIsBounded(t *testing.T) {
	d := start(t, sim.Config{Trace: 10})
	for range 20 {
		d.want(d.add(nop()), 0)
	}
	if lines := d.Trace(); len(lines) != 11 || !strings.Contains(lines[0], "dropped") || !strings.Contains(lines[9],
		"done 20!1 nop 0") {
		t.Errorf("the trace has %d lines:\n%s", len(lines), strings.Join(lines, "\n"))
	}
	d = start(t, sim.Config{Trace: -1})
	d.want(d.add(nop()), 0)
	if lines := d.Trace(); len(lines) != 1 {
		t.Errorf("a Sim without trace has %q", lines)
	}
}

func TestSeed(t *testing.T) {
	t.Setenv("WEIR_SIM_SEED", "")
	if got := sim.SeedFromEnv(7); got != 7 {
		t.Errorf("without environment the seed is %d, want the default, 7", got)
	}
	t.Setenv("WEIR_SIM_SEED", "0x10")
	if got := sim.SeedFromEnv(7); got != 16 {
		t.Errorf("the seed is %d, want 16", got)
	}
	t.Setenv("WEIR_SIM_SEED", "x")
	if text := panics(func() { sim.SeedFromEnv(7) }); !strings.Contains(text, "WEIR_SIM_SEED") {
		t.Errorf("a seed that is no number: %q", text)
	}
	if a, b := sim.Swarm(3), sim.Swarm(3); a != b {
		t.Errorf("the same seed gave %v and %v", a, b)
	}
	if a, b := sim.Swarm(3), sim.Swarm(4); a == b {
		t.Errorf("two seeds gave %v", a)
	}
	s := sim.New(sim.Config{Seed: 42, Faults: sim.Faults{Short: 0.25}})
	if got := s.String(); got != "sim seed=42 Short=0.25" {
		t.Errorf("String: %q", got)
	}
}

func panics(f func()) (text string) {
	defer func() {
		if p := recover(); p != nil {
			text = p.(string)
		}
	}()
	f()
	return ""
}

// What a caller does wrong ends in a panic that says what.
func TestMisuse(t *testing.T) {
	one := func(op backends.Op, id backends.ID) []*backends.Completion {
		return []*backends.Completion{{Op: op, ID: id}}
	}
	id := backends.MakeID(3, 7)
	for _, test := range []struct {
		name string
		do   func(d *driver, r, w int)
		want string
	}{
		{"same ID", func(d *driver, r, w int) {
			d.Submit(one(read(r, 1), id))
			d.Submit(one(nop(), id))
		}, "Submit: 3!7 nop: the ID is in flight already, as read"},
		{"same slot", func(d *driver, r, w int) {
			d.Submit(one(read(r, 1), id))
			d.poll(backends.NoWait)
			d.Submit(one(nop(), backends.MakeID(3, 8)))
		}, "Submit: 3!8 nop: the slot is in flight already, as 3!7 read"},
		{"before the event was returned", func(d *driver, r, w int) {
			d.Submit(one(nop(), id))
			d.Poll(nil, backends.NoWait)
			d.Submit(one(nop(), id))
		}, "in flight already"},
		{"same Completion", func(d *driver, r, w int) {
			c := one(read(r, 1), id)
			d.Submit(c)
			c[0].ID = backends.MakeID(4, 1)
			d.Submit(c)
		}, "the Completion is in flight already, as 3!7"},
		{"zero ID", func(d *driver, r, w int) { d.Submit(one(nop(), 5)) }, "generations start at 1"},
		{"big slot", func(d *driver, r, w int) { d.Submit(one(nop(), backends.MakeID(backends.MaxSlots, 1))) },
			"not below MaxSlots"},
		{"unknown code", func(d *driver, r, w int) { d.Submit(one(backends.Op{Code: 200}, id)) }, "no operation 200"},
		{"the Loop's code", func(d *driver, r, w int) { d.Submit(one(backends.Op{Code: backends.OpTimeout}, id)) },
			"timeout: no backend does that"},
		{"multi read", func(d *driver, r, w int) {
			op := read(r, 1)
			op.Multi = true
			d.Submit(one(op, id))
		}, "only poll and accept can be Multi"},
		{"Completion changed", func(d *driver, r, w int) {
			c := d.add(read(r, 1))
			d.poll(backends.NoWait)
			c.FD = w
			d.want(d.add(write(w, "x")), 1)
		}, "1!1 read: the Completion was changed"},
		{"buffer swapped", func(d *driver, r, w int) {
			c := d.add(read(r, 1))
			d.poll(backends.NoWait)
			c.Buf = make([]byte, 1)
			d.want(d.add(write(w, "x")), 1)
		}, "was changed while it was in flight"},
		{"data changed", func(d *driver, r, w int) {
			c := d.add(write(w, "data"))
			c.Buf[3] = 'e'
			d.poll(backends.NoWait)
		}, "1!1 write: the data was changed"},
		{"Submit after Close", func(d *driver, r, w int) {
			d.Close()
			d.Submit(one(nop(), id))
		}, "Submit after Close"},
		{"Poll after Close", func(d *driver, r, w int) {
			d.Close()
			d.poll(backends.NoWait)
		}, "Poll after Close"},
		{"Cancel after Close", func(d *driver, r, w int) {
			d.Close()
			d.Cancel(id)
		}, "Cancel after Close"},
		{"Close twice", func(d *driver, r, w int) {
			d.Close()
			d.Close()
		}, "Close is called twice"},
		{"Close in flight", func(d *driver, r, w int) {
			d.Submit(one(read(r, 1), id))
			d.add(read(r, 1))
			d.Close()
		}, "Close with operations in flight: 1!1 read 3!7 read"},
		{"Close before the event was returned", func(d *driver, r, w int) {
			d.add(nop())
			d.Poll(nil, backends.NoWait)
			d.Close()
		}, "Close with operations in flight"},
		{"Bind twice", func(d *driver, r, w int) { d.Bind(true) }, "Bind is called twice"},
		{"no Bind", func(d *driver, r, w int) { sim.New(sim.Config{Seed: 9}).Submit(nil) }, "Submit before Bind"},
		{"two goroutines", func(d *driver, r, w int) {
			var wg sync.WaitGroup
			wg.Go(func() {
				for panics(func() { d.Poll(make([]backends.Event, 1), backends.Forever) }) != "" {
				} // it may happen the other way round
			})
			defer wg.Wait()
			defer d.Wake()
			for {
				d.Counters() // allowed
				d.Pending()
				time.Sleep(time.Millisecond)
			}
		}, "Pending is called while another goroutine is in Poll"},
	} {
		t.Run(test.name, func(t *testing.T) {
			d := start(t, sim.Config{Seed: 9})
			r, w := d.Pipe()
			text := panics(func() { test.do(d, r, w) })
			if !strings.Contains(text, test.want) || !strings.HasPrefix(text, "sim: ") || !strings.Contains(text,
				"seed=9") {
				t.Errorf("panic %q, want one with %q and the seed", text, test.want)
			}
		})
	}
}
