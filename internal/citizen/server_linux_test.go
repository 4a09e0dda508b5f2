package citizen

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"runtime"
	"slices"
	"sync"
	"syscall"
	"time"
)

// A spec says what a server process is to be.
type spec struct {
	Weir bool
	Row  string
	Dir  string // for files
	Size int64  // of the file to read
}

// A hello is the first line that a server prints.
type hello struct {
	Info      string
	Addresses map[string]string // where it listens, by the names below
	Skip      string            // why the row, or the backend, cannot be run here
}

// A report is the last line.
type report struct {
	Samples map[string][]time.Duration // what the server itself has measured, by the name of the figure
	Profile profile
}

// The listeners of a server.
const (
	onSide = "side" // of the side
	onStd  = "std"  // of package net, whatever the side
	onLane = "lane" // whose connections lanes serve: coroutines on weir
	onHTTP = "http"
	onUDP  = "udp"
)

// A server does what requests say. A request is a message of messageSize bytes whose first byte
// says what to do; the server sends the message back when that is done.
type server struct {
	spec
	*side
	row   row
	file  file
	ready chan chan struct{} // a goroutine takes from it, and answers
	bound chan chan struct{} // the same, by a goroutine that keeps its thread
	trouble

	mu      sync.Mutex
	samples map[string][]time.Duration
}

const messageSize = 16

func serveSpec(text string) error {
	s := &server{
		samples: make(map[string][]time.Duration),
		ready:   make(chan chan struct{}), bound: make(chan chan struct{}),
	}
	if err := json.Unmarshal([]byte(text), &s.spec); err != nil {
		return err
	}
	i := slices.IndexFunc(rows, func(r row) bool { return r.name == s.Row })
	if i < 0 {
		return fmt.Errorf("there is no row %q", s.Row)
	}
	s.row = rows[i]
	first := hello{Addresses: make(map[string]string)}
	err := s.start(first.Addresses)
	if errors.Is(err, errSkip) {
		first.Skip = err.Error()
	} else if err != nil {
		return err
	} else {
		first.Info = s.info
	}
	out := json.NewEncoder(os.Stdout)
	if err := out.Encode(first); err != nil {
		return err
	}
	// The end of the input is the end of the run. Standard input is in blocking mode: no poller, no
	// timer.
	if _, err := bufio.NewReader(os.Stdin).ReadByte(); err != io.EOF {
		return fmt.Errorf("standard input: %v", err)
	}
	var last report
	if last.Profile, err = s.profile(); err != nil {
		return err
	}
	s.mu.Lock()
	last.Samples = s.samples
	s.mu.Unlock()
	return out.Encode(last)
}

// errSkip is the kind of error that says that a row cannot be run here.
var errSkip = errors.New("cannot be run here")

// start opens what every row needs, and then what this one does.
func (s *server) start(addresses map[string]string) (err error) {
	if s.side = stdSide(); s.Weir {
		if s.side, err = weirSide(); err != nil {
			return err
		}
	}
	if s.file, err = s.open(dataFile(s.Dir)); err != nil {
		return err
	}
	go answer(s.ready)
	go func() {
		runtime.LockOSThread()
		answer(s.bound)
	}()
	for _, l := range []struct {
		name   string
		listen func(network, address string) (net.Listener, error)
	}{{onSide, s.listen}, {onStd, net.Listen}} {
		ln, err := l.listen("tcp", "127.0.0.1:0")
		if err != nil {
			return err
		}
		addresses[l.name] = ln.Addr().String()
		go accept(ln, func(c net.Conn) { s.serve(c) })
	}
	if s.row.serve != nil {
		return s.row.serve(s, addresses)
	}
	return nil
}

func answer(questions chan chan struct{}) {
	for q := range questions {
		q <- struct{}{}
	}
}

// serve answers requests on c, of which several may come at once, until it ends.
func (s *server) serve(c net.Conn) {
	defer c.Close()
	w := worker{server: s, conn: c, answer: make(chan struct{}), fired: make(chan struct{}, 1)}
	buf := make([]byte, 64*messageSize)
	kept := 0
	for {
		n, err := c.Read(buf[kept:])
		if err != nil {
			return
		}
		kept += n
		whole := kept - kept%messageSize
		for m := 0; m < whole; m += messageSize {
			if err := w.do(buf[m : m+messageSize]); errors.Is(err, io.EOF) || errors.Is(err, syscall.ECONNRESET) {
				return // the end of the run
			} else if err != nil {
				fmt.Fprintf(os.Stderr, "citizen: request %q: %v\n", buf[m], err)
				return
			}
			if _, err := c.Write(buf[m : m+messageSize]); err != nil {
				return
			}
		}
		kept = copy(buf, buf[whole:kept])
	}
}

// note keeps a figure that the server has measured.
func (s *server) note(name string, d time.Duration) {
	s.mu.Lock()
	s.samples[name] = append(s.samples[name], d)
	s.mu.Unlock()
}
