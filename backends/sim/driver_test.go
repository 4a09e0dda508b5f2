package sim_test

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/weirgo/weir/backends"
	"github.com/weirgo/weir/backends/sim"
)

// driver submits operations to one Sim and collects their events by ID.
type driver struct {
	*sim.Sim
	t      *testing.T
	next   uint32
	polls  int
	events map[backends.ID][]backends.Event
	log    []backends.Event // in the order of arrival
}

func start(t *testing.T, cfg sim.Config) *driver {
	t.Helper()
	d := &driver{Sim: sim.New(cfg), t: t, events: map[backends.ID][]backends.Event{}}
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("%v\n%s", d.Sim, strings.Join(d.Trace(), "\n"))
		}
	})
	if err := d.Bind(false); err != nil {
		t.Fatal(err)
	}
	return d
}

func (d *driver) add(op backends.Op) *backends.Completion {
	d.t.Helper()
	d.next++
	c := &backends.Completion{Op: op, ID: backends.MakeID(d.next, 1)}
	for d.Submit([]*backends.Completion{c}) == 0 {
		d.poll(backends.NoWait)
	}
	return c
}

func (d *driver) cancel(c *backends.Completion) {
	for !d.Cancel(c.ID) {
		d.poll(backends.NoWait)
	}
}

func (d *driver) poll(deadline int64) int {
	d.t.Helper()
	if d.polls++; d.polls > 200_000 {
		d.t.Fatal("no end after 200000 Polls")
	}
	var dst [16]backends.Event
	n, err := d.Poll(dst[:], deadline)
	if err != nil {
		d.t.Fatal(err)
	}
	for _, ev := range dst[:n] {
		d.events[ev.ID] = append(d.events[ev.ID], ev)
		d.log = append(d.log, ev)
	}
	return n
}

// pass lets virtual time go by.
func (d *driver) pass(by time.Duration) {
	d.t.Helper()
	for end := d.Now() + int64(by); d.Now() < end; {
		d.poll(end)
	}
}

// result is that of an operation's terminal event, which it waits for.
func (d *driver) result(c *backends.Completion) int32 {
	d.t.Helper()
	for end := d.Now() + int64(time.Hour); ; d.poll(end) {
		for _, ev := range d.events[c.ID] {
			if !ev.More {
				return ev.Res
			}
		}
		if d.Now() >= end {
			d.t.Fatalf("%v %v does not end", c.ID, c.Code)
		}
	}
}

func (d *driver) done(c *backends.Completion) bool {
	evs := d.events[c.ID]
	return len(evs) > 0 && !evs[len(evs)-1].More
}

func (d *driver) want(c *backends.Completion, res int32) {
	d.t.Helper()
	if got := d.result(c); got != res {
		d.t.Fatalf("%v %v: result %d, want %d", c.ID, c.Code, got, res)
	}
}

func (d *driver) wantErr(c *backends.Completion, errno syscall.Errno) {
	d.t.Helper()
	d.want(c, -int32(errno))
}

func nop() backends.Op { return backends.Op{} }
func read(fd, n int) backends.Op {
	return backends.Op{Code: backends.OpRead, FD: fd, Off: backends.Stream, Buf: make([]byte, n)}
}
func write(fd int, data string) backends.Op {
	return backends.Op{Code: backends.OpWrite, FD: fd, Off: backends.Stream, Buf: []byte(data)}
}
func pollIn(fd int, multi bool) backends.Op {
	return backends.Op{Code: backends.OpPoll, FD: fd, Flags: sim.PollIn, Multi: multi}
}

// workload does a bit of everything, as its own generator says, whatever the results. It checks
// what holds under all faults: every operation ends once, every byte that one side says it wrote is
// read by the other, or still there, and no descriptor is left. With breaches of the contract it
// leaves out the first.
func workload(d *driver, steps int) {
	t := d.t
	t.Helper()
	rng := rand.New(rand.NewPCG(7, 7))
	type channel struct {
		r, w    int
		rc, wc  *backends.Completion // in flight
		written int
		read    int
	}
	var channels []*channel
	for i := range 6 {
		ch := &channel{}
		if i%2 == 0 {
			ch.r, ch.w = d.Pipe()
		} else {
			ch.r, ch.w = d.SocketPair()
		}
		channels = append(channels, ch)
	}
	l, addr := d.Listen()
	var accepts, connects []*backends.Completion
	var clients []int
	multi := d.add(pollIn(channels[0].r, true))

	collect := func(ch *channel) {
		if ch.rc != nil && d.done(ch.rc) {
			n := d.result(ch.rc)
			for i := range int(max(n, 0)) {
				if got, want := ch.rc.Buf[i], byte(ch.read+i); got != want {
					t.Fatalf("%v: byte %d of the stream is %d, want %d", ch.rc.ID, ch.read+i, got, want)
				}
			}
			ch.read += int(max(n, 0))
			ch.rc = nil
		}
		if ch.wc != nil && d.done(ch.wc) {
			ch.written += int(max(d.result(ch.wc), 0))
			ch.wc = nil
		}
	}
	for range steps {
		ch := channels[rng.IntN(len(channels))]
		collect(ch)
		switch k := rng.IntN(20); {
		case k < 6 && ch.rc == nil:
			ch.rc = d.add(read(ch.r, 1+rng.IntN(300)))
		case k < 12 && ch.wc == nil:
			op := write(ch.w, strings.Repeat(" ", 1+rng.IntN(200)))
			for i := range op.Buf {
				op.Buf[i] = byte(ch.written + i)
			}
			ch.wc = d.add(op)
		case k < 14 && ch.rc != nil:
			d.cancel(ch.rc)
		case k < 15 && ch.wc != nil:
			d.cancel(ch.wc)
		case k < 16:
			d.add(nop())
		case k < 17:
			accepts = append(accepts, d.add(backends.Op{Code: backends.OpAccept, FD: l}))
		case k < 18:
			fd := d.Socket()
			clients = append(clients, fd)
			connects = append(connects, d.add(backends.Op{Code: backends.OpConnect, FD: fd, Addr: addr}))
		case k < 19 && len(accepts) > 0:
			d.cancel(accepts[rng.IntN(len(accepts))])
		default:
			d.poll(d.Now() + int64(rng.IntN(3))*int64(time.Millisecond))
		}
	}
	// The end: cancel all that still waits, take what is left.
	for _, c := range append(append(accepts, connects...), multi) {
		if !d.done(c) {
			d.cancel(c)
		}
	}
	for _, c := range append(append(accepts, connects...), multi) {
		if n := d.result(c); n >= 0 && c.Code == backends.OpAccept {
			clients = append(clients, int(n))
		}
	}
	for _, ch := range channels {
		for _, c := range []*backends.Completion{ch.rc, ch.wc} {
			if c != nil && !d.done(c) {
				d.cancel(c)
				d.result(c)
			}
		}
		collect(ch)
		if left := len(d.Data(ch.r)); ch.read+left != ch.written {
			t.Fatalf("%d bytes were written, %d read, %d are left", ch.written, ch.read, left)
		}
		clients = append(clients, ch.r, ch.w)
	}
	d.pass(time.Second)
	for _, fd := range append(clients, l) {
		if err := d.CloseFD(fd); err != nil {
			t.Fatalf("close %d: %v", fd, err)
		}
	}
	for d.Pending() {
		d.poll(backends.NoWait)
	}
	if n := d.OpenFDs(); n != 0 {
		t.Fatalf("%d descriptors are open: %v", n, d.Descriptors())
	}
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
}

// checkOnce looks whether each operation had one terminal event, and nothing after it.
func (d *driver) checkOnce() {
	d.t.Helper()
	for id, evs := range d.events {
		for i, ev := range evs {
			if last := i == len(evs)-1; ev.More == last {
				d.t.Errorf("%v: event %d of %d: %+v", id, i+1, len(evs), ev)
			}
		}
	}
	if len(d.events) != int(d.next) {
		d.t.Errorf("%d operations, events for %d", d.next, len(d.events))
	}
}

func ids(evs []backends.Event) string { return fmt.Sprint(evs) }
