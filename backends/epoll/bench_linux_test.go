package epoll

import (
	"testing"

	"golang.org/x/sys/unix"

	"github.com/weirgo/weir/backends"
)

// BenchmarkExchange is a message over a socket to a recv that waits: what an echo server's loop
// does for each. The same with plain calls is what the kernel takes of it.
func BenchmarkExchange(b *testing.B) {
	b.Run("epoll", func(b *testing.B) {
		r := newRig(b, Config{})
		x, y := r.tcp()
		recv := []*backends.Completion{r.recv(x)}
		msg, dst := []byte("message"), make([]backends.Event, 8)
		b.ReportAllocs()
		for b.Loop() {
			r.Submit(recv)
			r.Poll(dst, backends.NoWait)
			unix.Write(y, msg)
			for n := 0; n == 0; {
				n, _ = r.Poll(dst, backends.NoWait)
			}
		}
	})
	b.Run("plain", func(b *testing.B) {
		r := newRig(b, Config{})
		x, y := r.tcp()
		msg, buf, events := []byte("message"), make([]byte, 8), make([]unix.EpollEvent, 8)
		fd := r.own(unix.EpollCreate1(unix.EPOLL_CLOEXEC))
		ev := &unix.EpollEvent{Events: unix.EPOLLIN | unix.EPOLLET | unix.EPOLLONESHOT}
		if err := unix.EpollCtl(fd, unix.EPOLL_CTL_ADD, x, ev); err != nil {
			b.Fatal(err)
		}
		for b.Loop() {
			unix.EpollCtl(fd, unix.EPOLL_CTL_MOD, x, ev)
			unix.EpollWait(fd, events, 0)
			unix.Write(y, msg)
			for n := 0; n == 0; {
				n, _ = unix.EpollWait(fd, events, 0)
			}
			backends.Try(&backends.Op{Code: backends.OpRecv, FD: x, Buf: buf}, 0)
		}
	})
}
