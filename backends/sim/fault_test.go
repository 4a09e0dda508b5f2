package sim_test

import (
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/weirgo/weir/backends"
	"github.com/weirgo/weir/backends/sim"
)

// Each test has one fault, as often as can be.

func withFault(t *testing.T, f sim.Faults) *driver {
	t.Helper()
	return start(t, sim.Config{Seed: 5, Faults: f})
}

func TestShort(t *testing.T) {
	d := withFault(t, sim.Faults{Short: 1})
	r, w := d.Pipe()
	a, b := d.SocketPair()
	fd := d.File([]byte(strings.Repeat("f", 1000)))
	big := strings.Repeat("x", 1000)
	short := 0
	for range 20 {
		for _, c := range []*backends.Completion{
			d.add(write(w, big)), d.add(read(r, 500)), d.add(write(a, big)), d.add(read(b, 500)),
			d.add(backends.Op{Code: backends.OpRead, FD: fd, Buf: make([]byte, 1000)}),
			d.add(backends.Op{Code: backends.OpWrite, FD: fd, Buf: make([]byte, 1000)}),
		} {
			n := d.result(c)
			if n < 1 || int(n) > len(c.Buf) {
				t.Fatalf("%v %v of %d: %d", c.ID, c.Code, len(c.Buf), n)
			}
			if int(n) < len(c.Buf) {
				short++
			}
		}
	}
	if short < 60 {
		t.Errorf("%d of 120 transfers were short", short)
	}
	d.want(d.add(write(w, "1")), 1) // not shorter than that
}

// failing operations leave no trace in what they work on.
func testFailures(t *testing.T, f sim.Faults, errnos ...syscall.Errno) {
	d := withFault(t, f)
	r, w := d.Pipe()
	fd := d.File([]byte("file"))
	failed := 0
	check := func(c *backends.Completion) int32 {
		t.Helper()
		n := d.result(c)
		if n < 0 {
			failed++
			if len(errnos) > 0 && !slices.Contains(errnos, syscall.Errno(-n)) {
				t.Fatalf("%v %v failed with %v", c.ID, c.Code, syscall.Errno(-n))
			}
		}
		return n
	}
	for i := range 20 {
		before := string(d.Data(r))
		if n := check(d.add(write(w, "abc"))); n < 0 && string(d.Data(r)) != before {
			t.Fatalf("a failed write changed the pipe from %q to %q", before, d.Data(r))
		}
		before = string(d.Data(fd))
		c := d.add(backends.Op{Code: backends.OpWrite, FD: fd, Off: 2, Buf: []byte{byte(i), 'I'}})
		if check(c) < 0 && string(d.Data(fd)) != before {
			t.Fatalf("a failed write changed the file to %q", d.Data(fd))
		}
		c = d.add(backends.Op{Code: backends.OpRead, FD: fd, Buf: make([]byte, 2)})
		if check(c) < 0 && (c.Buf[0] != 0 || c.Buf[1] != 0) {
			t.Fatalf("a failed read wrote to its buffer: %q", c.Buf)
		}
		s, _ := d.Pipe()
		if check(d.add(backends.Op{Code: backends.OpClose, FD: s})) != -int32(syscall.ECANCELED) &&
			d.CloseFD(s) == nil {
			t.Fatal("after a close with whatever result the descriptor is open")
		}
	}
	if failed < 20 {
		t.Errorf("%d of 80 operations failed", failed)
	}
}

func TestEINTR(t *testing.T)  { testFailures(t, sim.Faults{EINTR: 1}, syscall.EINTR) }
func TestEAGAIN(t *testing.T) { testFailures(t, sim.Faults{EAGAIN: 1}, syscall.EAGAIN) }
func TestError(t *testing.T) {
	testFailures(t, sim.Faults{Error: 1}, syscall.EIO, syscall.ENOSPC, syscall.ENOMEM)
}
func TestUnaskedCancel(t *testing.T) {
	testFailures(t, sim.Faults{UnaskedCancel: 1}, syscall.ECANCELED)
	d := withFault(t, sim.Faults{UnaskedCancel: 1})
	r, _ := d.Pipe()
	for range 10 { // those that wait are not forgotten
		d.wantErr(d.add(read(r, 1)), syscall.ECANCELED)
		d.wantErr(d.add(pollIn(r, true)), syscall.ECANCELED)
	}
}

func TestDelay(t *testing.T) {
	d := withFault(t, sim.Faults{Delay: 1})
	r, w := d.Pipe()
	rc := d.add(read(r, 3))
	wc := d.add(write(w, "abc"))
	for range 10 {
		d.poll(backends.NoWait)
	}
	if d.done(rc) || d.done(wc) {
		t.Error("a delayed operation was over without a wait")
	}
	t0 := d.Now()
	d.want(wc, 3)
	d.want(rc, 3)
	if by := time.Duration(d.Now() - t0); by <= 0 || by > 30*time.Millisecond {
		t.Errorf("the delays took %v", by)
	}
	fd := d.File([]byte("f"))
	c := d.add(read(fd, 1))
	d.cancel(c) // comes too late for a file
	d.want(c, 1)
}

func TestReorder(t *testing.T) {
	d := withFault(t, sim.Faults{Reorder: 1})
	var order []backends.ID
	for range 16 {
		order = append(order, d.add(nop()).ID)
	}
	d.poll(backends.NoWait)
	if ids(d.log) == ids(events(order)) {
		t.Error("16 events came in order")
	}
	l, addr := d.Listen()
	m := d.add(backends.Op{Code: backends.OpAccept, FD: l, Multi: true})
	for range 10 {
		d.add(backends.Op{Code: backends.OpConnect, FD: d.Socket(), Addr: addr})
	}
	d.pass(time.Second)
	d.cancel(m)
	d.wantErr(m, syscall.ECANCELED)
	last := int32(0)
	for _, ev := range d.events[m.ID][:10] { // of one operation the order stays: descriptors go up
		if !ev.More || ev.Res <= last {
			t.Fatalf("events of a multishot accept are out of order: %v", d.events[m.ID])
		}
		last = ev.Res
	}
}

func events(ids []backends.ID) (evs []backends.Event) {
	for _, id := range ids {
		evs = append(evs, backends.Event{ID: id})
	}
	return evs
}

func TestEndMulti(t *testing.T) {
	d := withFault(t, sim.Faults{EndMulti: 1})
	r, w := d.Pipe()
	c := d.add(pollIn(r, true))
	d.poll(backends.NoWait)
	d.want(d.add(write(w, "x")), 1)
	d.want(c, sim.PollIn)
	if evs := d.events[c.ID]; len(evs) != 1 {
		t.Errorf("events %v, want one without More", evs)
	}
}

func TestLateSuccess(t *testing.T) {
	for _, late := range []float64{0, 1} {
		d := withFault(t, sim.Faults{LateSuccess: late})
		r, w := d.Pipe()
		c := d.add(read(r, 8))
		d.poll(backends.NoWait)
		d.cancel(c)
		d.want(d.add(write(w, "late")), 4)
		if late == 0 {
			d.wantErr(c, syscall.ECANCELED)
			d.want(d.add(read(r, 8)), 4)
			continue
		}
		d.want(c, 4)
		t0 := d.Now()
		time.AfterFunc(time.Millisecond, d.Wake)
		if d.poll(backends.Forever); d.Now() != t0 {
			t.Error("the clock went to where an operation would have stopped that is over")
		}
		c = d.add(read(r, 8))
		d.cancel(c)
		d.wantErr(c, syscall.ECANCELED) // nothing comes
		d.pass(time.Second)
		d.checkOnce()
	}
}

func TestPartialSubmit(t *testing.T) {
	d := withFault(t, sim.Faults{PartialSubmit: 1})
	var cs []*backends.Completion
	for range 16 {
		cs = append(cs, d.add(nop()))
	}
	parts := 0
	for len(d.log) < len(cs) {
		t0 := d.Now()
		d.poll(t0 + 1000)
		if d.Now() != t0 {
			t.Fatal("Poll waited, though it had not handed over everything")
		}
		if parts++; parts > 100 {
			t.Fatal("Poll gets nowhere")
		}
	}
	if parts < 3 {
		t.Errorf("16 operations took %d Polls", parts)
	}
	if ids(d.log) != ids(events([]backends.ID{
		cs[0].ID, cs[1].ID, cs[2].ID, cs[3].ID, cs[4].ID, cs[5].ID, cs[6].ID, cs[7].ID,
		cs[8].ID, cs[9].ID, cs[10].ID, cs[11].ID, cs[12].ID, cs[13].ID, cs[14].ID, cs[15].ID,
	})) {
		t.Errorf("events %v", d.log)
	}
}

func TestSpuriousWake(t *testing.T) {
	d := withFault(t, sim.Faults{SpuriousWake: 1, Delay: 1})
	for range 10 {
		c := d.add(nop())
		t0 := d.Now()
		if n := d.poll(backends.Forever); n != 0 || d.Now() != t0 {
			t.Fatalf("Poll returned %d events after %d, want a spurious return at once", n, d.Now()-t0)
		}
		d.poll(backends.NoWait)
		if n := d.poll(backends.Forever); n != 1 || !d.done(c) {
			t.Fatalf("the next Poll returned %d events", n)
		}
	}
}

func TestTrickle(t *testing.T) {
	d := withFault(t, sim.Faults{Trickle: 1})
	for range 16 {
		d.add(nop())
	}
	polls := 0
	for ; len(d.log) < 16; polls++ {
		if d.poll(backends.NoWait) == 0 {
			t.Fatal("no event, though some are ready")
		}
	}
	if polls < 3 {
		t.Errorf("16 events came in %d Polls", polls)
	}
}

func TestEatWake(t *testing.T) {
	d := withFault(t, sim.Faults{EatWake: 1})
	t0 := d.Now()
	d.Wake()
	d.add(nop())
	if n := d.poll(t0 + 100); n != 1 {
		t.Fatalf("%d events, want one", n)
	}
	if d.poll(t0 + 100); d.Now() != t0+100 {
		t.Error("Poll did not wait, though the Wake was used up")
	}
	d.Wake()
	d.poll(backends.NoWait) // this one could not have waited
	if d.poll(backends.Forever); d.Now() != t0+100 {
		t.Error("the clock moved")
	}
}

func TestStale(t *testing.T) {
	d := withFault(t, sim.Faults{Stale: 1})
	var cs []*backends.Completion
	for range 20 {
		cs = append(cs, d.add(nop()))
	}
	d.pass(time.Second)
	stale := len(d.log)
	slots := 0
	for _, c := range cs {
		stale -= len(d.events[c.ID])
		if len(d.events[c.ID]) != 1 {
			t.Errorf("%v has events %v", c.ID, d.events[c.ID])
		}
	}
	for id := range d.events {
		if id.Slot() <= 20 && id.Gen() != 1 {
			slots++
		}
	}
	if stale != 20 || slots < 5 || slots > 19 {
		t.Errorf("%d stale events, %d of them of slots in use; want 20, and some", stale, slots)
	}
}

func TestDuplicate(t *testing.T) {
	d := withFault(t, sim.Faults{Duplicate: 1})
	for i := range 10 {
		c := d.add(nop())
		d.pass(time.Millisecond)
		if evs := d.events[c.ID]; len(evs) != 2 || evs[0] != evs[1] {
			t.Fatalf("operation %d has events %v, want the same twice", i, evs)
		}
	}
}

// Everything that is allowed, all the time, still gets somewhere.
func TestAlwaysFaulty(t *testing.T) {
	d := withFault(t, sim.Faults{
		Short: 1, Delay: 1, Reorder: 1, EndMulti: 1, LateSuccess: 1, PartialSubmit: 1, SpuriousWake: 1, Trickle: 1,
		EatWake: 1,
	})
	workload(d, 1000)
	d.checkOnce()
}
