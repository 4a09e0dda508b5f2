package runtime

import (
	"testing"

	"golang.org/x/sys/unix"

	"github.com/weirgo/weir/backends"
)

// TestPausesAreNoTries: a datagram for a receiver that is full waits for as long as that is so. Its
// tries were counted, and after 100 of them, 1.5 s, it had EAGAIN.
func TestPausesAreNoTries(t *testing.T) {
	for _, d := range picked(systemLoops()) {
		t.Run(d.name, func(t *testing.T) {
			if d.name == "portable" {
				t.Skip("this backend pauses by itself")
			}
			r := startLoop(t, d, Options{})
			r.wantsBackend()
			var fds [2]int
			for i := range fds {
				fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
				if err != nil {
					t.Fatal(err)
				}
				defer unix.Close(fd)
				fds[i] = fd
			}
			if err := unix.Bind(fds[0], &unix.SockaddrUnix{}); err != nil {
				t.Fatal(err)
			}
			name, err := unix.Getsockname(fds[0])
			for err == nil {
				err = unix.Sendto(fds[1], []byte("x"), 0, name)
			}
			if err != unix.EAGAIN {
				t.Fatal(err)
			}
			var to backends.Sockaddr
			copy(to.Data[2:], name.(*unix.SockaddrUnix).Name)
			to.Data[0], to.Data[2] = unix.AF_UNIX, 0 // an abstract name
			to.Len = uint32(2 + len(name.(*unix.SockaddrUnix).Name))
			over := false
			m := &backends.Msg{Bufs: [][]byte{{'y'}}, Addr: &to}
			c := r.submit(backends.Op{Code: backends.OpSendMsg, FD: fds[1], Msg: m},
				func(*Completion) Action { over = true; return Disarm })
			r.runUntil("it has been tried a few times", func() bool { return over || r.l.Stats().Resubmitted > 10 })
			if over || c.tries > 6 {
				t.Errorf("over: %v, %v; %d tries of %d", over, c.Err(), c.tries, r.l.Stats().Resubmitted)
			}
			for p := make([]byte, 10); !over; { // room
				unix.Read(fds[0], p)
				r.run(NoWait)
			}
			if c.Err() != nil {
				t.Errorf("when there is room: %v", c.Err())
			}
		})
	}
}
