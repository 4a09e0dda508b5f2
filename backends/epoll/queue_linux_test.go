package epoll

import (
	"bytes"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/weirgo/weir/backends"
)

// Operations are served in order of arrival, separately for each direction.
func TestOrder(t *testing.T) {
	r := newRig(t, Config{})
	a, b := r.pair(unix.SOCK_STREAM)
	var reads []*backends.Completion
	for range 8 {
		c := r.recv(a)
		c.Buf = c.Buf[:1]
		reads = append(reads, c)
	}
	r.begin(reads...)
	r.Cancel(reads[3].ID)
	r.want(reads[3], canceled)
	for i, c := range reads {
		if i == 3 {
			continue
		}
		r.write(b, string(rune('0'+i)))
		r.want(c, 1)
		if c.Buf[0] != byte('0'+i) {
			t.Errorf("read %d got %q", i, c.Buf)
		}
		if i > 3 {
			r.waits(reads[i+1:]...)
		}
	}

	// One that comes later does not overtake those that wait, though there is data for it.
	first, second := r.read(a), r.read(a) // which are always tried
	first.Buf, second.Buf = first.Buf[:1], second.Buf[:1]
	r.begin(first)
	r.write(b, "12")
	r.begin(second)
	r.want(first, 1)
	r.want(second, 1)
	if first.Buf[0] != '1' || second.Buf[0] != '2' {
		t.Errorf("got %q and %q", first.Buf, second.Buf)
	}
}

// A full socket does not keep operations from reading it, nor an empty one from writing.
func TestDirections(t *testing.T) {
	r := newRig(t, Config{})
	a, b := r.pair(unix.SOCK_STREAM)
	recv := r.recv(a)
	r.begin(recv)
	send := func() *backends.Completion {
		return r.op(backends.Op{Code: backends.OpSend, FD: a, Buf: make([]byte, 1<<20)})
	}
	sent := 0
	var blocked *backends.Completion
	for blocked == nil {
		c := send()
		r.begin(c)
		if res, ok := r.over(c); ok {
			if sent += int(res); res <= 0 {
				t.Fatalf("send: %d", res)
			}
		} else {
			blocked = c
		}
	}
	behind := send()
	r.begin(behind)
	r.waits(recv, blocked, behind)
	r.write(b, "data")
	r.want(recv, 4)
	r.waits(blocked, behind)
	recv = r.recv(a)
	r.begin(recv)
	r.Cancel(recv.ID)
	r.want(recv, canceled)
	r.waits(blocked, behind)
	r.stop(behind)
	got := 0
	for got < sent {
		n, err := unix.Read(b, make([]byte, 1<<20))
		if err != nil {
			t.Fatal(err)
		}
		got += n
	}
	if res := r.wait(blocked); res <= 0 {
		t.Errorf("send: %d", res)
	}
}

// Operations can be cancelled wherever they are; each ends once.
func TestCancelStates(t *testing.T) {
	r := newRig(t, Config{Workers: 1})
	a, b := r.pair(unix.SOCK_STREAM)

	queued := r.recv(a) // not handed over yet
	r.Submit([]*backends.Completion{queued})
	r.stop(queued)

	head, tail := r.recv(a), r.recv(a) // waiting, and waiting for its turn
	r.begin(head, tail)
	r.stop(tail)
	tail = r.recv(a)
	r.begin(tail)
	r.stop(head)
	r.write(b, "x")
	r.want(tail, 1)

	over := r.recv(a) // over, but not reported
	r.write(b, "x")
	r.begin(over)
	r.Cancel(over.ID)
	r.want(over, 1)
	r.Cancel(over.ID) // and reported
	r.flush()

	ready := r.recv(a) // ready, but not looked at
	r.begin(ready)
	r.write(b, "x")
	r.Cancel(ready.ID)
	if res := r.wait(ready); res == canceled {
		r.do(r.recv(a), 1)
	} else if res != 1 {
		t.Errorf("recv: %d", res)
	}

	block, release := r.blocker() // begun by the pool, waiting for the pool
	file := r.file("content")
	waiting := r.op(backends.Op{Code: backends.OpFsync, FD: file})
	r.begin(block, waiting)
	r.stop(waiting)
	r.untilBegun(block)
	r.Cancel(block.ID)
	r.waits(block)
	release() // checks that it was done all the same

	// In the line for the position of a file: the first has the pool's, the second its turn ahead.
	block, release = r.blocker()
	first, second, third := r.read(file), r.read(file), r.read(file)
	for _, c := range []*backends.Completion{first, second, third} {
		c.Buf = c.Buf[:2]
	}
	r.begin(block, first, second, third)
	r.stop(second)
	r.stop(first)
	release()
	r.want(third, 2)
	if string(third.Buf) != "co" {
		t.Errorf("read %q: a cancelled read moved the position", third.Buf)
	}

	// Held behind a close.
	block, release = r.blocker()
	sync, closing := r.op(backends.Op{Code: backends.OpFsync, FD: file}),
		r.op(backends.Op{Code: backends.OpClose, FD: file})
	held, poll := r.read(file), r.op(backends.Op{Code: backends.OpPoll, FD: file, Multi: true})
	r.begin(block, sync, closing, held, poll)
	r.stop(held, poll)
	if n := r.lookup(file).multi; n != 0 {
		t.Errorf("%d multishot polls are counted where none has begun", n)
	}
	release()
	r.want(closing, 0)
	r.want(sync, 0)
}

// A cancelled MSG_WAITALL counts what it has. Fault 18.
func TestFault18PartialCancel(t *testing.T) {
	r := newRig(t, Config{})
	a, b := r.pair(unix.SOCK_STREAM)
	msg := r.op(backends.Op{Code: backends.OpRecvMsg, FD: a, Flags: unix.MSG_WAITALL,
		Msg: &backends.Msg{Bufs: [][]byte{make([]byte, 4), make([]byte, 6)}}})
	r.begin(msg)
	r.write(b, "123")
	r.waits(msg)
	r.write(b, "45")
	r.waits(msg)
	r.Cancel(msg.ID)
	r.want(msg, 5)
	if got := bytes.Join(msg.Msg.Bufs, nil); string(got[:5]) != "12345" {
		t.Errorf("received %q", got)
	}
	c := r.op(backends.Op{Code: backends.OpRecv, FD: a, Flags: unix.MSG_WAITALL, Buf: make([]byte, 10)})
	r.begin(c)
	r.write(b, "123")
	r.waits(c)
	unix.Shutdown(b, unix.SHUT_WR)
	r.want(c, 3) // the end comes as a result of its own
	r.do(r.recv(a), 0)

	a, b = r.pair(unix.SOCK_DGRAM) // messages do not add up
	c = r.op(backends.Op{Code: backends.OpRecv, FD: a, Flags: unix.MSG_WAITALL, Buf: make([]byte, 10)})
	r.begin(c)
	r.write(b, "123")
	r.want(c, 3)
}

// What waits for an error or urgent data does not stand in the way of others, nor spin while what
// is there is not for it.
func TestAside(t *testing.T) {
	r := newRig(t, Config{})
	a, b := r.tcp()
	urgent := r.op(backends.Op{Code: backends.OpPoll, FD: a, Flags: unix.POLLPRI})
	mark := r.op(backends.Op{Code: backends.OpRecv, FD: a, Buf: make([]byte, 1)})
	r.begin(urgent, mark)
	r.waits(urgent, mark)
	if err := unix.Sendto(b, []byte("!"), unix.MSG_OOB, nil); err != nil {
		t.Fatal(err)
	}
	if res := r.wait(urgent); res&unix.POLLPRI == 0 {
		t.Errorf("poll: %#x", res)
	}
	r.waits(mark)
	oob := r.op(backends.Op{Code: backends.OpRecv, FD: a, Flags: unix.MSG_OOB, Buf: make([]byte, 1)})
	r.do(oob, 1)
	if oob.Buf[0] != '!' {
		t.Errorf("out-of-band data: %q", oob.Buf)
	}
	r.write(b, "x")
	r.want(mark, 1)
}

// An error that no operation takes is reported once to an operation that waits for something else,
// and not again and again.
func TestFault5Stubborn(t *testing.T) {
	r := newRig(t, Config{})
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	fd = r.own(fd, err)
	peer := r.own(unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0))
	loopback := &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}
	for _, s := range []int{fd, peer} {
		if err := unix.Bind(s, loopback); err != nil {
			t.Fatal(err)
		}
	}
	if err := unix.SetsockoptInt(fd, unix.SOL_IP, unix.IP_RECVERR, 1); err != nil {
		t.Fatal(err)
	}
	closed := r.own(unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0))
	if err := unix.Bind(closed, loopback); err != nil {
		t.Fatal(err)
	}
	nobody, _ := unix.Getsockname(closed)
	unix.Close(closed)
	unix.Sendto(fd, []byte("x"), 0, nobody) // the answer is ECONNREFUSED, in the error queue
	first := r.recv(fd)
	r.begin(first)
	if res := r.wait(first); res != -int32(unix.ECONNREFUSED) {
		t.Fatalf("recv: %d", res)
	}
	c, last := r.recv(fd), r.recv(fd) // the socket's error is taken, but the queue is full of it: EPOLLERR stays
	r.begin(c, last)
	before := r.Counters()
	for range 50 {
		r.poll(r.Now() + 1e6)
	}
	r.waits(c)
	if n := r.Counters().Syscalls - before.Syscalls; n > 110 {
		t.Errorf("%d system calls in 50 Polls, while one error waits to be fetched", n)
	}
	errs := r.op(backends.Op{Code: backends.OpRecvMsg, FD: fd, Flags: unix.MSG_ERRQUEUE,
		Msg: &backends.Msg{Bufs: [][]byte{make([]byte, 8)}, Control: make([]byte, 256)}})
	r.do(errs, 1)
	if errs.Msg.Flags&unix.MSG_ERRQUEUE == 0 {
		t.Errorf("flags %#x, want MSG_ERRQUEUE", errs.Msg.Flags)
	}
	self, _ := unix.Getsockname(fd)
	unix.Sendto(peer, []byte("data"), 0, self)
	r.want(c, 4)
	if d := r.lookup(fd); d.stubborn {
		t.Error("the registration stays as it was for one error")
	}
	r.stop(last)
}

// A multishot poll tells of news, not of what is still there, also while others begin to wait on
// the same descriptor.
func TestMultiPollNews(t *testing.T) {
	r := newRig(t, Config{})
	a, b := r.pair(unix.SOCK_STREAM)
	m := r.op(backends.Op{Code: backends.OpPoll, FD: a, Flags: unix.POLLIN, Multi: true})
	r.begin(m)
	for i := range 5 {
		r.write(b, "x")
		r.flush()
		if n := len(r.events[m.ID]); n != i+1 {
			t.Fatalf("%d events after %d writes", n, i+1)
		}
	}
	for range 20 {
		r.poll(r.Now() + 1e5)
	}
	if n := len(r.events[m.ID]); n != 5 {
		t.Errorf("%d events, though nothing is new", n)
	}
	r.do(r.recv(a), 5)
	c := r.recv(a)
	r.begin(c)
	r.waits(c)
	r.write(b, "y")
	r.want(c, 1)
	r.stop(m)
	if !r.lookup(a).keeps {
		t.Error("the registration is not one that stays armed: this test has tested nothing")
	}
	r.write(b, "z") // the first event that no operation waits for is the last
	r.flush()
	if r.lookup(a).keeps {
		t.Error("the registration stays armed, though nobody waits")
	}
}

// A crowd of connections does not keep others waiting, and none is forgotten.
func TestFault42AcceptStorm(t *testing.T) {
	r := newRig(t, Config{})
	l, addr := r.listener(unix.SOCK_NONBLOCK)
	const n = 3*maxAccepts + 1
	for range n {
		c := r.socket(0)
		if res := backends.Perform(&backends.Op{Code: backends.OpConnect, FD: c, Addr: addr}); res != 0 {
			t.Fatal(res)
		}
	}
	m := r.op(backends.Op{Code: backends.OpAccept, FD: l, Multi: true, Flags: unix.SOCK_CLOEXEC})
	r.Submit([]*backends.Completion{m})
	for seen := 0; len(r.events[m.ID]) < n; seen = len(r.events[m.ID]) {
		r.poll(r.Now() + int64(soon))
		if got := len(r.events[m.ID]) - seen; got > maxAccepts+1 || got == 0 {
			t.Fatalf("one Poll brought %d connections", got)
		}
	}
	for _, ev := range r.events[m.ID] {
		r.own(int(ev.Res), nil)
	}
	r.stop(m)
}
