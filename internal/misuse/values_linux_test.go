//go:build !weir_portable

package misuse

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"math"
	"net"
	"net/netip"
	"os"
	"reflect"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/weirgo/weir/aio"
	"github.com/weirgo/weir/aio/op"
	"github.com/weirgo/weir/coro"
	aiort "github.com/weirgo/weir/runtime"
)

var (
	integers = []int64{
		math.MinInt64, -1 << 62, -1 << 32, -1 << 31, -101, -100, -1, 0, 1, 2, 3, 16, 4096, 65536,
		1<<31 - 1, 1 << 31, 1<<32 - 1, 1 << 32, 1<<32 + 1, 1 << 62, math.MaxInt64,
	}
	texts = []string{
		"", "\x00", "f\x00", ".", "file", "no", "no/such", "dir", strings.Repeat("a", 300), strings.Repeat("a/", 3000),
		"\xff", "tcp", "tcp4", "udp", "udp6", "unix", "unixgram", "unixpacket", "ip4:icmp", "ip:1", "127.0.0.1:0",
		"[::1]:0",
		"127.0.0.1:99999", "127.0.0.1:-1", ":", "127.0.0.1", "[::1", "@weir", "*", "io_uring", "epoll", "thread",
		"auto", "-,-",
	}
	beyond   = int64(1 << 31) // of what an int32 holds
	instants = []time.Time{{}, time.Unix(0, 1), time.Unix(1<<62, 0), time.Unix(-1<<62, 0),
		time.Now().Add(time.Millisecond)}
)

// huge is memory that the kernel has not been asked for yet, longer than 32 bits can say.
var huge []byte

func pick[T any](c *call, of ...T) T { return of[c.rand.IntN(len(of))] }

// makers make values that are in use, or have been. What they make ends with the call.
var makers = map[reflect.Type]func(c *call) any{}

func maker[T any](f func(c *call) T) {
	makers[reflect.TypeFor[T]()] = func(c *call) any { return f(c) }
}

// closing has x closed when the call is over or is to end; one time in three it closes it at once.
func closing[T io.Closer](c *call, x T, err error) (T, bool) {
	if err != nil {
		var none T
		return none, false
	}
	c.atEnd(func() { x.Close() })
	if c.rand.IntN(3) == 0 {
		x.Close()
	}
	return x, true
}

func made[T io.Closer](c *call, x T, err error) T {
	x, _ = closing(c, x, err)
	return x
}

func as[T any](x any, err error) (T, error) {
	if err != nil {
		var none T
		return none, err
	}
	return x.(T), nil
}

func init() {
	maker(func(c *call) *aio.IO {
		if c.rand.IntN(4) > 0 && !strings.HasSuffix(c.name, ".Close") && !strings.HasSuffix(c.name, ".Shutdown") {
			return c.w.lib
		}
		lib, err := aio.New(c.w.options)
		return made(c, lib, err)
	})
	maker(func(c *call) *aiort.Runtime { return makers[reflect.TypeFor[*aio.IO]()](c).(*aio.IO).Runtime() })
	maker(func(c *call) *aiort.Loop {
		waits := strings.HasPrefix(c.name, "op.") || strings.HasSuffix(c.name, ".Do") || strings.HasSuffix(c.name,
			".DoBatch")
		if waits || c.rand.IntN(2) == 0 { // one that runs
			rt := c.w.lib.Runtime()
			if l, err := pick(c, rt.Any, rt.AnyWorker)(c.rand.Uint32()); err == nil {
				return l
			}
		}
		l, err := aiort.NewLoop(aiort.Options{Backend: c.w.options.Backend})
		if err != nil {
			return nil
		}
		c.atEnd(func() { l.Stop(); l.Wake() })
		c.after = append(c.after, func() { l.Close() }) // on the same goroutine
		if c.rand.IntN(3) == 0 {
			l.Close()
		}
		return l
	})
	maker(func(c *call) *coro.Scheduler {
		if c.rand.IntN(4) > 0 && !strings.HasSuffix(c.name, ".Close") && !strings.HasSuffix(c.name, ".Shutdown") &&
			!strings.HasSuffix(c.name, ".Run") {
			return c.w.tasks
		}
		s, err := coro.New(coro.Options{IO: c.w.lib})
		return made(c, s, err)
	})
	maker(func(c *call) *aio.TCPListener {
		l, err := as[*aio.TCPListener](c.w.lib.Listen("tcp", "127.0.0.1:0"))
		return made(c, l, err)
	})
	maker(func(c *call) *aio.UnixListener {
		l, err := as[*aio.UnixListener](c.w.lib.Listen("unix", ""))
		return made(c, l, err)
	})
	maker(func(c *call) *aio.TCPConn {
		x, err := as[*aio.TCPConn](c.w.lib.Dial("tcp", c.w.peer.Addr().String()))
		return made(c, x, err)
	})
	maker(func(c *call) *aio.UDPConn {
		if c.rand.IntN(2) == 0 {
			x, err := as[*aio.UDPConn](c.w.lib.Dial("udp", "127.0.0.1:9"))
			return made(c, x, err)
		}
		x, err := as[*aio.UDPConn](c.w.lib.ListenPacket("udp", "127.0.0.1:0"))
		return made(c, x, err)
	})
	maker(func(c *call) *aio.UnixConn {
		x, err := c.w.lib.ListenUnixgram("unixgram", &net.UnixAddr{Net: "unixgram"})
		return made(c, x, err)
	})
	maker(func(c *call) *aio.IPConn {
		x, err := c.w.lib.DialIP("ip4:253", nil, &net.IPAddr{IP: net.IPv4(127, 0, 0, 1)})
		return made(c, x, err)
	})
	maker(func(c *call) *aio.File {
		switch c.rand.IntN(4) {
		case 0:
			r, w, err := c.w.lib.Pipe()
			if err != nil {
				return nil
			}
			c.atEnd(func() { w.Close() })
			return made(c, r, nil)
		case 1:
			x, err := c.w.lib.Open(".")
			return made(c, x, err)
		}
		x, err := c.w.lib.OpenFile("file", os.O_RDWR|os.O_CREATE, 0o600)
		return made(c, x, err)
	})
	maker(func(c *call) *os.File {
		x, err := os.Open(pick(c, "file", ".", "/dev/null"))
		return made(c, x, err)
	})
	maker(func(c *call) *aio.Event {
		x := c.w.lib.NewEvent()
		return made(c, x, nil)
	})
	maker(func(c *call) *op.Event {
		x := new(op.Event)
		c.atEnd(func() { x.Close() })
		return x
	})
	maker(func(c *call) *aiort.Event {
		x := new(aiort.Event)
		c.atEnd(func() { x.Close() })
		return x
	})
	maker(func(c *call) *aio.Buffers {
		x, err := c.w.lib.RegisterBuffers(2, 4096)
		return made(c, x, err)
	})
	maker(func(c *call) *aio.FixedFile {
		x, err := c.w.lib.RegisterFile(c.descriptor())
		return made(c, x, err)
	})
	maker(func(c *call) aio.Buffer {
		p, err := c.w.lib.RegisterBuffers(1, 4096)
		if err != nil {
			return aio.Buffer{}
		}
		c.atEnd(func() { p.Close() })
		b, _ := p.Get(c.ctx)
		c.atEnd(func() { b.Release() })
		return b
	})
	maker(func(c *call) *op.Op {
		if c.deep > 3 {
			return op.Nop()
		}
		name := pick(c, c.w.constructors...)
		outs, panicked := c.try(name, reflect.ValueOf(functions[name]))
		if panicked != nil {
			panic(panicked)
		}
		return outs[0].Interface().(*op.Op)
	})
	maker(func(c *call) *op.Batch {
		b := c.w.lib.Start(op.Timeout(time.Duration(pick(c, 0, time.Hour))))
		c.atEnd(b.Cancel)
		return b
	})
	maker(func(c *call) *coro.Task {
		if c.task != nil && c.rand.IntN(4) > 0 {
			return c.task
		}
		return coro.Spawn(c.w.tasks, func(*coro.Task) (int, error) { return 0, nil }).Task() // another's
	})
	maker(func(c *call) *coro.Handle[int] {
		h := coro.Spawn(c.parent(), func(t *coro.Task) (int, error) {
			return 1, t.Sleep(time.Duration(pick(c, 0, time.Hour)))
		})
		c.atEnd(h.Cancel)
		return h
	})
	maker(func(c *call) *coro.Group {
		if c.task == nil {
			return nil
		}
		g := coro.NewGroup(c.task)
		g.Go(func(t *coro.Task) error { return t.Sleep(time.Duration(pick(c, 0, time.Hour))) })
		return g
	})
	maker(func(c *call) *coro.Queue[int] {
		q := coro.NewQueue[int](c.rand.IntN(2))
		c.atEnd(q.Close)
		return q
	})
	maker(func(c *call) context.Context {
		switch c.rand.IntN(6) {
		case 0:
			return nil
		case 1:
			ctx, cancel := context.WithCancel(c.ctx)
			cancel()
			return ctx
		case 2:
			ctx, cancel := context.WithDeadline(c.ctx, pick(c, instants...))
			c.atEnd(cancel)
			return ctx
		case 3:
			// A plain call keeps the scheduler's thread, which would have to end the task.
			if c.task != nil && strings.HasPrefix(c.name, "coro.") {
				return c.task
			}
		}
		return c.ctx
	})
	maker(func(c *call) net.Conn { return oneOf[net.Conn](c, conns) })
	maker(func(c *call) net.PacketConn { return oneOf[net.PacketConn](c, conns) })
	maker(func(c *call) syscall.Conn { return oneOf[syscall.Conn](c, append(conns, reflect.TypeFor[*aio.File]())) })
	maker(func(c *call) net.Listener {
		return oneOf[net.Listener](c, []reflect.Type{reflect.TypeFor[*aio.TCPListener](),
			reflect.TypeFor[*aio.UnixListener]()})
	})
	maker(func(c *call) net.Addr {
		if c.rand.IntN(8) == 0 {
			return nil
		}
		return oneOf[net.Addr](c, []reflect.Type{
			reflect.TypeFor[*net.TCPAddr](), reflect.TypeFor[*net.UDPAddr](), reflect.TypeFor[*net.UnixAddr](),
			reflect.TypeFor[*net.IPAddr](),
		})
	})
	maker(func(c *call) net.IP {
		return pick(c, nil, net.IP{}, net.IP{127}, net.IPv4(127, 0, 0, 1), net.IPv4(127, 0, 0, 1).To4(),
			net.IPv6loopback, make(net.IP, 17))
	})
	maker(func(c *call) netip.Addr {
		return pick(c, netip.Addr{}, netip.AddrFrom4([4]byte{127, 0, 0, 1}), netip.IPv6Loopback(),
			netip.IPv6Unspecified().WithZone("no"))
	})
	maker(func(c *call) netip.AddrPort {
		return netip.AddrPortFrom(c.value(reflect.TypeFor[netip.Addr]()).Interface().(netip.Addr),
			uint16(c.rand.Uint32()))
	})
	maker(func(c *call) io.Reader {
		return pick[io.Reader](c, nil, (*aio.File)(nil), &bytes.Buffer{}, strings.NewReader("text"))
	})
	maker(func(c *call) io.Writer {
		return pick[io.Writer](c, nil, (*aio.File)(nil), &bytes.Buffer{})
	})
	maker(func(c *call) time.Time { return pick(c, instants...) })
	maker(func(c *call) *time.Location { return nil })
	maker(func(c *call) *slog.Logger { return nil })
	maker(func(c *call) *net.Interface {
		return pick(c, nil, &net.Interface{}, &net.Interface{Index: 1}, &net.Interface{Index: int(beyond)})
	})
	maker(func(c *call) *net.Resolver { return nil })
	maker(func(c *call) *os.Process {
		p, _ := os.FindProcess(pick(c, -1, 0, os.Getpid(), 1<<22, int(beyond)))
		return p
	})
	maker(func(c *call) coro.Case {
		if c.deep > 3 {
			return coro.After(0)
		}
		outs, panicked := c.try("coro.Case", reflect.ValueOf(functions[pick(c,
			"coro.After", "coro.Done", "coro.DoneOf", "coro.Ended", "coro.IsSet", "coro.RecvFrom", "coro.SendTo")]))
		if panicked != nil {
			panic(panicked)
		}
		return outs[0].Interface().(coro.Case)
	})
	maker(func(c *call) coro.Option { return coro.Name(pick(c, texts...)) })
	maker(func(c *call) coro.Parent { return c.parent() })
}

var conns = []reflect.Type{
	reflect.TypeFor[*aio.TCPConn](), reflect.TypeFor[*aio.UDPConn](), reflect.TypeFor[*aio.UnixConn](),
	reflect.TypeFor[*aio.IPConn](),
}

// oneOf makes a value of one of the types.
func oneOf[T any](c *call, of []reflect.Type) (x T) {
	x, _ = c.value(pick(c, of...)).Interface().(T)
	return x
}

// parent is where the call may spawn.
func (c *call) parent() coro.Parent {
	if c.task != nil {
		return c.task
	}
	return c.w.tasks
}

// descriptor is one that is open, or is not, or is none.
func (c *call) descriptor() int {
	if c.rand.IntN(3) == 0 {
		return int(pick[int64](c, math.MinInt64, -1<<32, -1<<31, -101, -100, -1, 777, 1<<31-1, 1<<31, 1<<32, 1<<62,
			math.MaxInt64))
	}
	var fds []int
	switch c.rand.IntN(3) {
	case 0:
		ends := make([]int, 2)
		unix.Pipe2(ends, unix.O_CLOEXEC|unix.O_NONBLOCK)
		fds = ends
	case 1:
		ends, _ := unix.Socketpair(unix.AF_UNIX, pick(c, unix.SOCK_STREAM, unix.SOCK_DGRAM)|unix.SOCK_CLOEXEC, 0)
		fds = ends[:]
	default:
		fd, _ := unix.Open(pick(c, "file", ".", "/dev/null"), unix.O_RDONLY|unix.O_CLOEXEC, 0)
		fds = []int{fd}
	}
	// far from those that others get: an operation may have closed it before it is closed here
	for i, low := range fds {
		fds[i], _ = unix.FcntlInt(uintptr(low), unix.F_DUPFD_CLOEXEC, 300)
		unix.Close(low)
		c.atEnd(func() { unix.Close(fds[i]) })
	}
	fd := pick(c, fds...)
	if c.rand.IntN(8) == 0 {
		return int(int64(fd) + 1<<32)
	}
	return fd
}

// value makes a value of type t, at random.
func (c *call) value(t reflect.Type) reflect.Value {
	c.deep++
	defer func() { c.deep-- }()
	v := reflect.New(t).Elem()
	if m := makers[t]; m != nil {
		if t.Kind() == reflect.Pointer && c.rand.IntN(8) == 0 {
			return pick(c, v, reflect.New(t.Elem())) // nil, or zero
		}
		if x := m(c); x != nil {
			v.Set(reflect.ValueOf(x))
		}
		return v
	}
	switch t.Kind() {
	case reflect.Bool:
		v.SetBool(c.rand.IntN(2) == 0)
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		v.SetInt(pick(c, integers...))
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64, reflect.Uintptr:
		v.SetUint(uint64(pick(c, integers...)))
	case reflect.String:
		v.SetString(pick(c, texts...))
	case reflect.Slice:
		c.slice(v)
	case reflect.Array:
		for i := range min(v.Len(), 8) {
			v.Index(i).Set(c.value(t.Elem()))
		}
	case reflect.Pointer:
		if c.rand.IntN(4) > 0 {
			v.Set(reflect.New(t.Elem()))
			switch e := v.Elem(); {
			case c.rand.IntN(4) == 0 || c.deep > 5:
			case e.Kind() == reflect.Struct:
				c.fill(e)
			default:
				e.Set(c.value(t.Elem()))
			}
		}
	case reflect.Struct:
		c.fill(v)
	case reflect.Func:
		if c.rand.IntN(4) > 0 {
			v.Set(reflect.MakeFunc(t, func([]reflect.Value) []reflect.Value {
				outs := make([]reflect.Value, t.NumOut())
				for i := range outs {
					outs[i] = reflect.Zero(t.Out(i))
				}
				return outs
			}))
		}
	}
	return v
}

func (c *call) slice(v reflect.Value) {
	t := v.Type()
	if t.Elem().Kind() == reflect.Uint8 {
		p := pick(c, nil, []byte{}, make([]byte, 1), make([]byte, 100), []byte("name\x00"), make([]byte, 70000), huge)
		v.Set(reflect.ValueOf(p).Convert(t))
		return
	}
	n := pick(c, -1, 0, 1, 2, 3, 2000)
	if n == 2000 && t.Elem() != reflect.TypeFor[[]byte]() {
		n = 4
	}
	if n < 0 {
		return
	}
	v.Set(reflect.MakeSlice(t, n, n))
	for i := range n {
		if n > 100 {
			v.Index(i).Set(reflect.ValueOf(make([]byte, 1)))
		} else {
			v.Index(i).Set(c.value(t.Elem()))
		}
	}
}

// fill sets the exported fields of a struct, most of them.
func (c *call) fill(v reflect.Value) {
	t := v.Type()
	for i := range t.NumField() {
		f := t.Field(i)
		switch {
		case !f.IsExported(), c.rand.IntN(4) == 0:
		case f.Name == "FD":
			v.Field(i).SetInt(int64(c.descriptor()))
		case f.Name == "Region", f.Name == "File": // what only weir makes
		default:
			v.Field(i).Set(c.value(f.Type))
		}
	}
}

// isDescriptor are the names of parameters that are descriptors.
var isDescriptor = map[string]bool{"fd": true, "rfd": true, "wfd": true, "dir": true, "newDir": true,
	"from": true, "to": true, "pidfd": true}
