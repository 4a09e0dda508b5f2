package epoll

import (
	"testing"

	"golang.org/x/sys/unix"

	"github.com/weirgo/weir/backends"
)

// TestShrinkForgetsDescriptors: what is known of descriptors is let go when far fewer operations
// are in flight, except for those on which some are. A descriptor that was forgotten and is open
// works as before.
func TestShrinkForgetsDescriptors(t *testing.T) {
	const many = minKept + 2000
	r := newRig(t, Config{})
	a, b := r.pair(unix.SOCK_STREAM)
	var fds []int
	var polls []*backends.Completion
	for range many {
		fd, err := unix.FcntlInt(uintptr(a), unix.F_DUPFD_CLOEXEC, 0)
		if err != nil {
			t.Skip("too few descriptors may be open: ", err)
		}
		fds = append(fds, r.own(fd, nil))
		polls = append(polls, r.op(backends.Op{Code: backends.OpPoll, FD: fd, Flags: unix.POLLIN,
			Multi: len(polls)%2 == 0}))
	}
	lasting := polls[many/2|1]
	r.begin(polls...)
	r.waits(polls...)
	if r.known < many {
		t.Fatalf("%d descriptors are known", r.known)
	}
	for i, c := range polls {
		if c != lasting {
			r.stop(polls[i])
		}
	}
	pages := len(r.descs)
	r.Shrink(0, uint32(many)&^(chunkLen-1), 1)
	if r.known != 1 || r.lookup(lasting.FD) == nil {
		t.Errorf("%d descriptors are known, want the one in use", r.known)
	}
	if len(r.descs) >= pages || cap(r.out) > minKept || cap(r.queued) > minKept {
		t.Errorf("%d pages of %d are left, room for %d events, %d operations", len(r.descs), pages, cap(r.out),
			cap(r.queued))
	}
	if list := r.registrations(); list[fds[0]] != 0 || list[fds[2]] != 0 {
		t.Error("what is reported again and again is still asked for")
	}
	for _, fd := range []int{fds[0], fds[1], fds[many-1]} {
		c := r.recv(fd)
		r.begin(c)
		r.waits(c)
		r.write(b, "x")
		r.want(c, 1)
	}
	r.want(lasting, unix.POLLIN)
}
