package epoll

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/weirgo/weir/backends"
	"github.com/weirgo/weir/backends/uring"
)

// The same script brings the same results on epoll and on io_uring: a random program of operations,
// one step after the other, on pipes, sockets and files, with everything that waits left waiting.
// WEIR_EPOLL_SEED replays a seed.
func TestDifferential(t *testing.T) {
	first, rounds := rand.Uint64(), 150
	if s := os.Getenv("WEIR_EPOLL_SEED"); s != "" {
		seed, err := strconv.ParseUint(s, 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		first, rounds = seed, 1
	} else if testing.Short() {
		rounds = 20
	}
	for i := range uint64(rounds) {
		compare(t, first+i)
	}
}

// FuzzDifferential is TestDifferential with the fuzzer's seeds.
func FuzzDifferential(f *testing.F) {
	f.Add(uint64(1))
	f.Fuzz(compare)
}

// compare runs the script of a seed on both.
func compare(t *testing.T, seed uint64) {
	runtime.LockOSThread() // a ring is for one thread
	defer runtime.UnlockOSThread()
	ring, err := uring.Open(uring.Config{})
	if err == nil {
		if err = ring.Bind(true); err != nil {
			ring.Close()
		}
	}
	if err != nil {
		t.Skip("there is nothing to compare with:", err)
	}
	want := runScript(t, ring, seed)
	own, err := Open(Config{})
	if err == nil {
		err = own.Bind(false)
	}
	if err != nil {
		t.Fatal(err)
	}
	got := runScript(t, own, seed)
	for i := range max(len(want), len(got)) {
		if i >= len(want) || i >= len(got) || want[i] != got[i] {
			t.Fatalf("WEIR_EPOLL_SEED=%d: step %d:\nio_uring %q\nepoll    %q", seed, i, tail(want, i), tail(got, i))
		}
	}
}

func tail(log []string, i int) []string { return log[max(0, i-12):min(i+1, len(log))] }

// script is one run of a random program.
type script struct {
	testing.TB
	be    backends.Backend
	rng   *rand.Rand
	fds   []int
	slots uint32
	gone  map[backends.ID]*backends.Completion
	live  []*backends.Completion // in flight, in the order of submission
	log   []string
	dst   []backends.Event
}

func runScript(t *testing.T, be backends.Backend, seed uint64) []string {
	t.Helper()
	s := &script{TB: t, be: be, rng: rand.New(rand.NewPCG(seed, 1)), dst: make([]backends.Event, 64),
		gone: map[backends.ID]*backends.Completion{}}
	defer func() {
		for _, fd := range s.fds {
			unix.Close(fd)
		}
		if err := be.Close(); err != nil {
			t.Error(err)
		}
	}()
	var p [2]int
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	must(unix.Pipe2(p[:], unix.O_CLOEXEC|unix.O_NONBLOCK))
	s.fds = append(s.fds, p[:]...)
	must(unix.Pipe2(p[:], unix.O_CLOEXEC)) // in blocking mode
	s.fds = append(s.fds, p[:]...)
	for _, kind := range []int{unix.SOCK_STREAM | unix.SOCK_NONBLOCK, unix.SOCK_DGRAM | unix.SOCK_NONBLOCK,
		unix.SOCK_STREAM} {
		p, err := unix.Socketpair(unix.AF_UNIX, kind|unix.SOCK_CLOEXEC, 0)
		must(err)
		s.fds = append(s.fds, p[:]...)
	}
	file, err := unix.MemfdCreate("script", unix.MFD_CLOEXEC)
	must(err)
	must(unix.Ftruncate(file, 100))
	s.fds = append(s.fds, file)
	for range 60 {
		s.step()
	}
	for len(s.live) > 0 { // the rest
		c := s.live[0]
		s.cancel(c)
	}
	return s.log
}

// step does one thing and lets everything settle that follows from it. No rivals wait on a
// descriptor: which of them is served first is the kernel's business with io_uring.
func (s *script) step() {
	fd := s.fds[s.rng.IntN(len(s.fds))]
	size := []int{0, 1, 5, 64, 5000}[s.rng.IntN(5)]
	op := backends.Op{FD: fd}
	switch s.rng.IntN(14) {
	case 0, 1:
		op.Code, op.Buf, op.Off = backends.OpRead, make([]byte, size), backends.Stream
	case 2, 3:
		op.Code, op.Buf, op.Off = backends.OpWrite, s.data(size), backends.Stream
	case 4:
		op.Code, op.Bufs, op.Off = backends.OpReadv, [][]byte{make([]byte, size/2), make([]byte, size)}, backends.Stream
	case 5:
		op.Code, op.Bufs, op.Off = backends.OpWritev, [][]byte{s.data(size), s.data(3)}, backends.Stream
	case 6:
		op.Code, op.Buf = backends.OpRecv, make([]byte, max(size, 1))
		op.Flags = []uint32{0, 0, unix.MSG_PEEK, unix.MSG_DONTWAIT, unix.MSG_WAITALL}[s.rng.IntN(5)]
	case 7:
		op.Code, op.Buf = backends.OpSend, s.data(max(size, 1))
		op.Flags = []uint32{0, unix.MSG_DONTWAIT}[s.rng.IntN(2)]
	case 8:
		op.Code, op.Msg = backends.OpRecvMsg, &backends.Msg{Bufs: [][]byte{make([]byte, 3), make([]byte, max(size, 1))},
			Control: make([]byte, 64)}
	case 9:
		op.Code, op.Msg = backends.OpSendMsg, &backends.Msg{Bufs: [][]byte{s.data(2), s.data(size)}}
	case 10:
		op.Code, op.Flags = backends.OpPoll, []uint32{unix.POLLIN, unix.POLLOUT, unix.POLLPRI,
			unix.POLLIN | unix.POLLPRI}[s.rng.IntN(4)]
	case 11:
		op.Code, op.Buf, op.Off = backends.OpRead, make([]byte, size), int64(s.rng.IntN(120))
		op.FD = s.fds[len(s.fds)-1]
	case 12:
		op.Code = []backends.Code{backends.OpFsync, backends.OpAccept, backends.OpNop}[s.rng.IntN(3)]
	case 13:
		if len(s.live) > 0 {
			s.cancel(s.live[s.rng.IntN(len(s.live))])
		}
		return
	}
	if slices.ContainsFunc(s.live, func(c *backends.Completion) bool {
		return c.FD == op.FD &&
			rivals(c.Code, op.Code)
	}) {
		return
	}
	s.slots++
	c := &backends.Completion{Op: op, ID: backends.MakeID(s.slots, 1)}
	s.live = append(s.live, c)
	s.be.Submit([]*backends.Completion{c})
	s.settle(nil)
}

// rivals reports whether what one operation does can change what comes of the other.
func rivals(a, b backends.Code) bool {
	return a == backends.OpPoll || b == backends.OpPoll || takes(a) == takes(b)
}

// takes reports whether an operation takes what is in a pipe or socket.
func takes(c backends.Code) bool {
	switch c {
	case backends.OpRead, backends.OpReadv, backends.OpRecv, backends.OpRecvMsg, backends.OpAccept:
		return true
	}
	return false
}

func (s *script) data(n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(s.rng.Uint32())
	}
	return b
}

func (s *script) cancel(c *backends.Completion) {
	s.be.Cancel(c.ID)
	s.settle(c)
}

// settle polls until must has ended, and everything that a look by poll(2) says is possible has.
// The order in which events of one step come is no part of the log.
func (s *script) settle(must *backends.Completion) {
	var ended []string
	hangs := time.Now().Add(time.Minute)
	for quiet := 0; quiet < 2; {
		if time.Now().After(hangs) {
			s.Fatalf("%s: what must end does not (pending: %v): %s", s.be.Name(), s.be.Pending(), s.waiting())
		}
		n, err := s.be.Poll(s.dst, backends.NoWait)
		if err != nil {
			s.Fatal(err)
		}
		for _, ev := range s.dst[:n] {
			i := slices.IndexFunc(s.live, func(c *backends.Completion) bool { return c.ID == ev.ID })
			if i < 0 {
				s.Fatalf("an event of nobody: %+v", ev)
			}
			c := s.live[i]
			s.live = slices.Delete(s.live, i, i+1)
			if c == must {
				must = nil
			}
			ended = append(ended, s.describe(c, ev))
		}
		switch {
		case n > 0 || s.be.Pending():
			quiet = 0
		case must != nil || s.busy():
			s.be.Poll(nil, s.be.Now()+1e5)
			quiet = 0
		default:
			quiet++
		}
	}
	slices.Sort(ended)
	s.log = append(s.log, ended...)
	s.log = append(s.log, "-")
}

// busy reports whether something in flight must end by itself.
func (s *script) busy() bool {
	return slices.ContainsFunc(s.live, func(c *backends.Completion) bool {
		ready := backends.Readiness(&c.Op)
		if ready == 0 {
			return true
		}
		p := []unix.PollFd{{Fd: int32(c.FD), Events: int16(ready)}}
		n, _ := unix.Poll(p, 0)
		return n > 0
	})
}

// waiting describes what is in flight, and what poll(2) says of it.
func (s *script) waiting() string {
	var all []string
	for _, c := range s.live {
		p := []unix.PollFd{{Fd: int32(c.FD), Events: int16(backends.Readiness(&c.Op))}}
		n, err := unix.Poll(p, 0)
		all = append(all, fmt.Sprintf("%s, poll: %d %#x of %#x %v", s.describe(c, backends.Event{}), n, p[0].Revents,
			p[0].Events, err))
	}
	return strings.Join(all, "\n")
}

func (s *script) describe(c *backends.Completion, ev backends.Event) string {
	res := ev.Res
	if c.Code == backends.OpAccept && errors.Is(unix.Errno(-res), unix.EOPNOTSUPP) {
		// the kernel looks at the kind and at the state of the socket in one order or the other
		res = -int32(unix.EINVAL)
	}
	data := fmt.Sprintf("%x", c.Buf)
	if c.Msg != nil {
		data = fmt.Sprintf("%x %d %#x", c.Msg.Bufs, len(c.Msg.Control), c.Msg.Flags)
	} else if c.Bufs != nil {
		data = fmt.Sprintf("%x", c.Bufs)
	}
	if len(data) > 60 {
		data = fmt.Sprintf("%s...(%d)", data[:60], len(data))
	}
	return fmt.Sprintf("%d %v fd#%d flags=%#x: %d %s", c.ID.Slot(), c.Code, slices.Index(s.fds, c.FD), c.Flags,
		res, data)
}
