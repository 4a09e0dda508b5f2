package citizen

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
)

// A setup is one way to run a server.
type setup struct {
	weir           bool
	backend, drive string // of weir
	procs          int    // GOMAXPROCS
}

func (s setup) String() string {
	if !s.weir {
		return "std"
	}
	return s.backend + "/" + s.drive
}

// turns is how many turns of Go's scheduler a probe may take on this setup where std takes one.
//
// Drives thread and scheduler, and the portable backend, send every operation through a loop, also
// one that finds what it wants at once. The loop's goroutine needs a turn to take the operation
// over and one to hand its result back, and then its caller needs one. (The probe named accept
// makes three operations, and only the first waits on std.) On the portable backend the goroutine
// in poll(2) takes a turn of its own, for each operation, and every goroutine beside it feels it.
func (s setup) turns(probe string) time.Duration {
	each, beside := time.Duration(1), time.Duration(1) // what weir waits for, and what others do
	if s.drive == "thread" || s.drive == "scheduler" {
		each = 3
	}
	if s.backend == "portable" {
		each, beside = 4, 2
	}
	switch {
	case each > 1 && probe == "accept":
		return 3 * each
	case slices.Contains(ownWaits, probe):
		return each
	}
	return beside
}

// An outcome is what one run of a server has brought.
type outcome struct {
	info    string
	samples map[string][]time.Duration
	profile profile
}

// A peer is this process's part in a run.
type peer struct {
	hello
	setup
	window  time.Duration
	control *net.UnixConn
	over    atomic.Bool // no load any more
	wg      sync.WaitGroup

	mu      sync.Mutex
	closers []io.Closer
	failed  error
	samples map[string][]time.Duration
}

const (
	patience = 10 * time.Second // after which a server hangs
	idle     = 60 * time.Millisecond
	apart    = 60 * time.Millisecond // between two requests on one connection of a probe
)

const dataSize = 64 << 20

// dataFile is a file of dataSize bytes, in dir, and hugeFile one that takes no space and long to
// copy.
func dataFile(dir string) string { return filepath.Join(dir, "data") }
func hugeFile(dir string) string { return filepath.Join(dir, "huge") }

// makeFiles makes both.
func makeFiles(dir string) error {
	huge, err := os.Create(hugeFile(dir))
	if err != nil {
		return err
	}
	return errors.Join(huge.Truncate(8<<30), huge.Close(), os.WriteFile(dataFile(dir), make([]byte, dataSize), 0o666))
}

// run has one server do one row.
func run(r row, s setup, dir string, window time.Duration) (*outcome, error) {
	text, err := json.Marshal(spec{Weir: s.weir, Row: r.name, Dir: dir, Size: dataSize})
	if err != nil {
		return nil, err
	}
	exe, err := os.Executable()
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(context.Background(), window+2*patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, exe)
	cmd.Env = append(os.Environ(), specEnv+"="+string(text), fmt.Sprint("GOMAXPROCS=", s.procs),
		"WEIR_BACKEND="+s.backend, "WEIR_DRIVE="+s.drive)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	defer in.Close()
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	mine, theirs, err := controlPair()
	if err != nil {
		return nil, err
	}
	defer mine.Close()
	cmd.ExtraFiles = []*os.File{theirs}
	err = cmd.Start()
	theirs.Close()
	if err != nil {
		return nil, err
	}
	window *= min(crowd(s.procs), 2) // a stall lasts as long, and has to stand out
	p := &peer{setup: s, window: window, control: mine, samples: make(map[string][]time.Duration)}
	lines := json.NewDecoder(bufio.NewReader(out))
	var last report
	err = lines.Decode(&p.hello)
	if err == nil && p.Skip != "" {
		err = fmt.Errorf("%w: %s", errSkip, p.Skip)
	}
	if err == nil {
		err = p.measure(r)
	}
	p.close()
	if err == nil {
		in.Close()
		err = lines.Decode(&last)
	}
	if err != nil {
		cancel()
	}
	exit := cmd.Wait()
	if errors.Is(err, errSkip) {
		return nil, err
	}
	if stderr.Len() > 0 {
		err = errors.Join(err, errors.New(strings.TrimSpace(stderr.String())))
	}
	if err = errors.Join(err, exit); err != nil {
		return nil, fmt.Errorf("%v: %w", s, err)
	}
	for name, d := range last.Samples {
		p.samples[name] = append(p.samples[name], d...)
	}
	return &outcome{p.Info, p.samples, last.Profile}, nil
}

func controlPair() (*net.UnixConn, *os.File, error) {
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, nil, err
	}
	f := os.NewFile(uintptr(fds[0]), "control")
	defer f.Close()
	c, err := net.FileConn(f)
	if err != nil {
		return nil, nil, errors.Join(err, unix.Close(fds[1]))
	}
	return c.(*net.UnixConn), os.NewFile(uintptr(fds[1]), "control"), nil
}

// measure connects, lets the server be idle for a moment, starts the load, and then the probes.
func (p *peer) measure(r row) error {
	conns := make([][]net.Conn, len(r.probes))
	for i, probe := range r.probes {
		if probe.on == "" {
			continue
		}
		for range apart / probe.pace {
			c, err := p.dial(probe.on)
			if err != nil {
				return err
			}
			conns[i] = append(conns[i], c)
			for range 2 { // the first of a kind do more
				if _, err := ask(c, probe.what); err != nil {
					return fmt.Errorf("%s: %w", probe.name, err)
				}
			}
		}
	}
	time.Sleep(idle)
	if err := r.load(p); err != nil {
		return err
	}
	time.Sleep(5 * time.Millisecond)
	var probes sync.WaitGroup
	for i, probe := range r.probes {
		probes.Go(func() {
			var d []time.Duration
			var err error
			if conns[i] == nil {
				d, err = p.accepts(probe)
			} else {
				d, err = pace(probe, conns[i], p.window)
			}
			p.note(probe.name, d, err)
		})
	}
	probes.Wait()
	p.over.Store(true)
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.failed
}

func (p *peer) note(name string, d []time.Duration, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.samples[name] = append(p.samples[name], d...)
	if err != nil && p.failed == nil {
		p.failed = fmt.Errorf("%s: %w", name, err)
	}
}

// pace sends a request at each beat, whether or not earlier ones have been answered, and returns
// what each answer took. The connections take turns, so that a request seldom waits for the one
// before it: otherwise small differences in the time of an answer make long lines.
func pace(probe probe, conns []net.Conn, window time.Duration) ([]time.Duration, error) {
	var mu sync.Mutex
	var samples []time.Duration
	var failed error
	var wg sync.WaitGroup
	done := func(d []time.Duration, err error) {
		mu.Lock()
		defer mu.Unlock()
		samples = append(samples, d...)
		if failed == nil {
			failed = err
		}
	}
	beats := int(window / probe.pace)
	end := time.Now().Add(window + patience)
	for i, c := range conns {
		c.SetDeadline(end)
		wg.Go(func() { // receives what the loop below sends on c
			var m [messageSize]byte
			var d []time.Duration
			for n := i; n < beats; n += len(conns) {
				if _, err := io.ReadFull(c, m[:]); err != nil {
					done(d, fmt.Errorf("answer %d of %d: %w", n, beats, err))
					return
				}
				d = append(d, max(time.Since(messageTime(m[:]))-probe.known, 0))
			}
			done(d, nil)
		})
	}
	start := time.Now()
	for n := range beats {
		time.Sleep(time.Until(start.Add(time.Duration(n) * probe.pace)))
		var m [messageSize]byte
		message(m[:], probe.what, 0)
		if _, err := conns[n%len(conns)].Write(m[:]); err != nil {
			done(nil, err)
			break
		}
	}
	wg.Wait()
	return samples, failed
}

// accepts connects at each beat, and measures the time to the first answer.
func (p *peer) accepts(probe probe) ([]time.Duration, error) {
	var mu sync.Mutex
	var samples []time.Duration
	var failed error
	var wg sync.WaitGroup
	for start, at := time.Now(), time.Duration(0); at < p.window; at += probe.pace {
		time.Sleep(time.Until(start.Add(at)))
		wg.Go(func() {
			start := time.Now()
			c, err := dial(p.Addresses[onSide])
			if err == nil {
				_, err = ask(c, reqEcho)
				c.Close()
			}
			mu.Lock()
			defer mu.Unlock()
			samples = append(samples, time.Since(start))
			if failed == nil {
				failed = err
			}
		})
	}
	wg.Wait()
	return samples, failed
}

// ask sends a request and waits for the answer.
func ask(c net.Conn, what byte) (time.Duration, error) {
	var m [messageSize]byte
	message(m[:], what, 0)
	return exchange(c, m[:])
}

func exchange(c net.Conn, m []byte) (time.Duration, error) {
	c.SetDeadline(time.Now().Add(patience))
	if _, err := c.Write(m); err != nil {
		return 0, err
	}
	if _, err := io.ReadFull(c, m); err != nil {
		return 0, err
	}
	c.SetDeadline(time.Time{})
	return time.Since(messageTime(m)), nil
}

// dial connects to a listener of the server. The connection is closed with the run.
func (p *peer) dial(on string) (*net.TCPConn, error) {
	c, err := dial(p.Addresses[on])
	if err == nil {
		p.own(c)
	}
	return c, err
}

func (p *peer) own(c io.Closer) {
	p.mu.Lock()
	p.closers = append(p.closers, c)
	p.mu.Unlock()
}

func (p *peer) close() {
	p.over.Store(true)
	p.mu.Lock()
	for _, c := range p.closers {
		c.Close()
	}
	p.mu.Unlock()
	p.wg.Wait()
}
