package citizen

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"os"
	"runtime"
	"runtime/pprof"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/weirgo/weir/internal/sys/systest"
)

// trouble is what a server has for the rows that disturb it.
type trouble struct {
	call    longCall
	scratch *os.File // to write and sync
	missing []byte   // pages that are missing
	cpu     bytes.Buffer
	used    time.Duration // CPU time when the profile began
	kept    [][]*int      // a heap to collect
}

// A longCall is a system call that takes long and in which nothing is waited for: the kernel copies
// hundreds of MiB into a file in memory. Only a signal that ends the process interrupts it.
type longCall struct {
	memory int
	pieces [][]byte
}

func (c *longCall) prepare() (err error) {
	if c.memory, err = unix.MemfdCreate("citizen", unix.MFD_CLOEXEC); err != nil {
		return err
	}
	piece := make([]byte, 64<<20)
	for range 5 {
		c.pieces = append(c.pieces, piece)
	}
	return c.make() // the file has its memory now
}

func (c *longCall) make() error {
	_, err := unix.Pwritev(c.memory, c.pieces, 0)
	return err
}

func serveCalls(s *server, _ map[string]string) error { return s.call.prepare() }

func serveSync(s *server, _ map[string]string) (err error) {
	if s.scratch, err = os.CreateTemp(s.Dir, "sync"); err != nil {
		return err
	}
	return os.Remove(s.scratch.Name())
}

func (s *server) syncFile() error {
	if _, err := s.scratch.WriteAt(make([]byte, 1<<20), 0); err != nil {
		return err
	}
	return s.scratch.Sync()
}

// The control connection to the test process is the first descriptor after standard error.
const controlFD = 3

// serveFaults has pages missing, and sends the descriptor that tells of accesses to them to the
// test process: in this process nothing may have to run for a page to come.
func serveFaults(s *server, _ map[string]string) error {
	mem, faults, err := systest.Userfault(1024)
	if err != nil {
		return fmt.Errorf("%w: %w", errSkip, err)
	}
	s.missing = mem
	return unix.Sendmsg(controlFD, []byte{0}, unix.UnixRights(int(faults.Fd())), nil, 0)
}

// readMissing reads the next message into a page that is missing, after a while in which it may
// have come.
func (w *worker) readMissing(after time.Duration) error {
	if after > 0 {
		if err := unixNap(after); err != nil {
			return err
		}
	}
	if len(w.missing) == 0 {
		return fmt.Errorf("no page is left that is missing")
	}
	size := unix.Getpagesize()
	page := w.missing[:size]
	w.missing = w.missing[size:]
	_, err := io.ReadFull(w.conn, page[:messageSize])
	return err
}

// beginHandover has goroutines that keep their threads hand a token on to each other.
func beginHandover(s *server) error {
	const goroutines = 4
	var ring [goroutines]chan struct{}
	for i := range ring {
		ring[i] = make(chan struct{})
	}
	for i := range ring {
		go func() {
			runtime.LockOSThread()
			for range ring[i] {
				unixNap(nap / 10) // without it std lets the others wait for a second, too
				ring[(i+1)%goroutines] <- struct{}{}
			}
		}()
	}
	ring[0] <- struct{}{}
	return nil
}

// beginHeap makes a heap that takes the collector a while.
func beginHeap(s *server) error {
	for range 200 {
		page := make([]*int, 1000)
		for i := range page {
			page[i] = new(int)
		}
		s.kept = append(s.kept, page)
	}
	return nil
}

// beginFiles has goroutines read blocks of a file, one after the other.
func beginFiles(s *server) error {
	for range 4 {
		go func() {
			p := make([]byte, blockSize)
			for s.readBlock(p) == nil {
			}
		}()
	}
	return nil
}

// beginTimers has goroutines sleep for a nap again and again.
func beginTimers(s *server) error {
	for range 64 {
		go func() {
			for {
				s.sleep(nap)
			}
		}()
	}
	return nil
}

func beginProfile(s *server) error {
	s.used = cpuTime()
	return pprof.StartCPUProfile(&s.cpu)
}

// A profile says how many samples there are for the CPU time that was used, and how waiting
// goroutines are shown.
type profile struct {
	Samples int
	Used    time.Duration
	Waits   map[string]int // by what stack dumps say that they wait for
}

func (s *server) profile() (p profile, err error) {
	p.Waits = make(map[string]int)
	if s.used != 0 {
		p.Used = cpuTime() - s.used
		pprof.StopCPUProfile()
		if p.Samples, err = profileSamples(&s.cpu); err != nil {
			return p, err
		}
	}
	stacks := make([]byte, 1<<20)
	for _, g := range bytes.Split(stacks[:runtime.Stack(stacks, true)], []byte("\n\n")) {
		head, _, _ := bytes.Cut(g, []byte("\n"))
		if bytes.Contains(g, []byte("(*server).serve(")) && !bytes.Contains(g, []byte("(*worker).do(")) {
			if _, state, ok := bytes.Cut(head, []byte("[")); ok {
				state, _, _ = bytes.Cut(state, []byte("]"))
				state, _, _ = bytes.Cut(state, []byte(","))
				p.Waits[string(state)]++
			}
		}
	}
	return p, nil
}

func cpuTime() time.Duration {
	var r syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &r); err != nil {
		return 0
	}
	return time.Duration(r.Utime.Nano() + r.Stime.Nano())
}

func serveDatagrams(s *server, addresses map[string]string) error {
	c, err := s.listenPacket("udp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	addresses[onUDP] = c.LocalAddr().String()
	go func() {
		p := make([]byte, 2048)
		for {
			n, from, err := c.ReadFrom(p)
			if err != nil {
				return
			}
			if n == messageSize { // the others are a flood that nothing answers
				c.WriteTo(p[:n], from)
			}
		}
	}()
	return nil
}

// receiveFile receives the descriptor that serveFaults sends.
func receiveFile(c *net.UnixConn) (*os.File, error) {
	oob := make([]byte, unix.CmsgSpace(4))
	_, n, _, _, err := c.ReadMsgUnix(make([]byte, 1), oob)
	if err != nil {
		return nil, err
	}
	messages, err := unix.ParseSocketControlMessage(oob[:n])
	if err != nil || len(messages) != 1 {
		return nil, fmt.Errorf("%d control messages: %v", len(messages), err)
	}
	fds, err := unix.ParseUnixRights(&messages[0])
	if err != nil {
		return nil, err
	}
	return os.NewFile(uintptr(fds[0]), "userfaultfd"), nil
}
