package citizen

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"github.com/weirgo/weir/aio"
	"github.com/weirgo/weir/coro"
)

// A side is what the server stands on: packages net, os and time, or weir.
type side struct {
	listen       func(network, address string) (net.Listener, error)
	listenPacket func(network, address string) (net.PacketConn, error)
	fileConn     func(f *os.File) (net.Conn, error)
	open         func(name string) (file, error)
	sleep        func(d time.Duration)
	timer        func(d time.Duration) <-chan time.Time
	read         func(ctx context.Context, c net.Conn, p []byte) (int, error)
	// lane serves each connection of l in a lane of its own: a goroutine, or a coroutine of the one
	// scheduler that all share.
	lane func(l net.Listener, serve func(lane)) error
	info string
}

type file interface {
	io.Reader
	io.ReaderAt
	io.Closer
}

// A lane is what serves a connection: how it waits, and the connection and files by which it waits
// so.
type lane struct {
	conn  net.Conn
	file  func(f file) file
	sleep func(d time.Duration)
}

func stdSide() *side {
	return &side{
		listen:       net.Listen,
		listenPacket: net.ListenPacket,
		fileConn:     net.FileConn,
		open:         func(name string) (file, error) { return os.Open(name) },
		sleep:        time.Sleep,
		timer:        func(d time.Duration) <-chan time.Time { return time.NewTimer(d).C },
		read: func(ctx context.Context, c net.Conn, p []byte) (int, error) {
			stop := context.AfterFunc(ctx, func() { c.SetReadDeadline(time.Unix(1, 0)) })
			n, err := c.Read(p)
			if !stop() {
				c.SetReadDeadline(time.Time{})
			}
			return n, err
		},
		lane: func(l net.Listener, serve func(lane)) error {
			go accept(l, func(c net.Conn) {
				serve(lane{c, func(f file) file { return f }, time.Sleep})
			})
			return nil
		},
		info: "std",
	}
}

// weirSide fails with errSkip where the backend cannot start.
func weirSide() (_ *side, err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("%w: %v", errSkip, r)
		}
	}()
	info := aio.Default().Info() // panics with the reason
	return &side{
		listen:       aio.Listen,
		listenPacket: aio.ListenPacket,
		fileConn:     aio.FileConn,
		open:         func(name string) (file, error) { return aio.Open(name) },
		sleep:        func(d time.Duration) { aio.Sleep(context.Background(), d) },
		timer:        func(d time.Duration) <-chan time.Time { return aio.NewTimer(d).C },
		read: func(ctx context.Context, c net.Conn, p []byte) (int, error) {
			return c.(interface {
				ReadContext(context.Context, []byte) (int, error)
			}).ReadContext(ctx, p)
		},
		lane: func(l net.Listener, serve func(lane)) error {
			s, err := coro.New(coro.Options{HogLimit: -1})
			if err != nil {
				return err
			}
			coro.Spawn(s, func(t *coro.Task) (struct{}, error) {
				l := t.Listener(l)
				for {
					c, err := l.Accept()
					if err != nil {
						return struct{}{}, err
					}
					coro.Spawn(s, func(t *coro.Task) (struct{}, error) {
						serve(lane{t.Conn(c), func(f file) file { return t.File(f.(*aio.File)) },
							func(d time.Duration) { t.Sleep(d) }})
						return struct{}{}, nil
					}).Detach()
				}
			}).Detach()
			return nil
		},
		info: info.Backend + "/" + info.Drive,
	}, nil
}

// accept has serve, in a goroutine of its own, see to each connection of l.
func accept(l net.Listener, serve func(net.Conn)) {
	for {
		c, err := l.Accept()
		if err != nil {
			return
		}
		go serve(c)
	}
}

// pair returns the two ends of a connection.
func (s *side) pair() (a, b net.Conn, err error) {
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, nil, err
	}
	var ends [2]net.Conn
	for i, fd := range fds {
		f := os.NewFile(uintptr(fd), "pair")
		end, e := s.fileConn(f)
		err = errors.Join(err, e, f.Close())
		ends[i] = end
	}
	return ends[0], ends[1], err
}
