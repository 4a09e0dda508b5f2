package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"sync"

	"golang.org/x/sys/unix"

	"github.com/weirgo/weir/aio"
)

// serverSpec says what a server is, and on which side. Servers whose own use of processor and
// memory is wanted are processes of their own: this program, started with its spec in the
// environment.
type serverSpec struct {
	Kind    string `json:"kind"` // "udp", "udp-batch", "http", "idle"
	Weir    bool   `json:"weir"`
	Drive   string `json:"drive,omitempty"`
	Backend string `json:"backend,omitempty"`
	Loops   int    `json:"loops,omitempty"`
	// of "idle": bytes for each connection; of "udp" and "udp-batch": for each datagram
	Buffer  int  `json:"buffer,omitempty"`
	Receive bool `json:"receive,omitempty"` // of "idle" on weir: none, it waits in Receive
}

const serverEnv = "WEIR_STRESS_SERVER"

// memory is what a server's process holds, in bytes.
type memory struct {
	Heap     uint64 `json:"heap"`     // live objects
	Runtime  uint64 `json:"runtime"`  // the runtime's own records: those of its poller, of finalizers
	Stacks   uint64 `json:"stacks"`   // of goroutines
	Resident uint64 `json:"resident"` // all of it, as the system sees it
}

// answer is what a server says of itself.
type answer struct {
	Usage  usage  `json:"usage"`
	Memory memory `json:"memory"`
	Err    string `json:"err,omitempty"`
}

// asServer makes this process the server that the environment asks for, until its standard input
// ends. It reports false if none is asked for.
func asServer() bool {
	spec := os.Getenv(serverEnv)
	if spec == "" {
		return false
	}
	if err := beServer(spec, os.Stdin, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "stress: server:", err)
		os.Exit(exitFailed)
	}
	return true
}

// beServer writes the server's address, and a line for each that it reads.
func beServer(spec string, in io.Reader, out io.Writer) error {
	var what serverSpec
	if err := json.Unmarshal([]byte(spec), &what); err != nil {
		return err
	}
	s := side{}
	if what.Weir {
		weir, err := aio.New(aio.Options{Backend: what.Backend, Drive: what.Drive, Loops: what.Loops})
		if err != nil {
			return err
		}
		defer weir.Close()
		s.weir = weir
	}
	start := map[string]func(side, serverSpec) (string, func() error, error){
		"udp": udpServer, "udp-batch": udpBatchServer, "http": httpServer, "idle": idleServer,
	}[what.Kind]
	address, stop, err := start(s, what)
	if err != nil {
		return err
	}
	fmt.Fprintln(out, address)
	lines, answers := bufio.NewScanner(in), json.NewEncoder(out)
	for lines.Scan() {
		a := answer{Usage: usageOf(s)}
		if lines.Text() == "memory" {
			a.Memory = memoryOf()
		}
		if err := answers.Encode(a); err != nil {
			return errors.Join(err, stop())
		}
	}
	return stop()
}

func memoryOf() memory {
	runtime.GC()
	runtime.GC() // what finalizers and pools have kept through the first
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return memory{Heap: m.HeapAlloc, Runtime: m.OtherSys + m.MSpanInuse + m.MCacheInuse, Stacks: m.StackInuse,
		Resident: resident()}
}

func resident() uint64 {
	text, err := os.ReadFile("/proc/self/statm")
	fields := strings.Fields(string(text))
	if err != nil || len(fields) < 2 {
		return 0
	}
	pages, _ := strconv.ParseUint(fields[1], 10, 64)
	return pages * uint64(os.Getpagesize())
}

// server is a process that serves.
type server struct {
	address string
	cmd     *exec.Cmd
	in      io.WriteCloser
	out     *bufio.Reader
	errs    bytes.Buffer
}

func startServer(spec serverSpec, on *cpus) (*server, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	text, err := json.Marshal(spec)
	if err != nil {
		return nil, err
	}
	s := &server{cmd: exec.Command(self)}
	s.cmd.Env = append(os.Environ(), serverEnv+"="+string(text))
	s.cmd.Stderr = &s.errs
	if s.in, err = s.cmd.StdinPipe(); err != nil {
		return nil, err
	}
	out, err := s.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	// clients that are always ready to run keep Go's scheduler from looking for events: so a thread
	// waits
	if f, ok := out.(*os.File); ok {
		if err := unix.SetNonblock(int(f.Fd()), false); err != nil {
			return nil, err
		}
	}
	s.out = bufio.NewReader(out)
	if err := on.startServer(s.cmd); err != nil {
		return nil, err
	}
	if s.address, err = s.out.ReadString('\n'); err != nil {
		return nil, errors.Join(fmt.Errorf("a server does not start: %w", err), s.stop())
	}
	s.address = strings.TrimSpace(s.address)
	return s, nil
}

// spec is what a server of the same side as s is.
func (s side) spec(kind string, c *config) serverSpec {
	spec := serverSpec{Kind: kind, Weir: s.weir != nil}
	if spec.Weir {
		spec.Drive, spec.Backend, spec.Loops = s.weir.Info().Drive, s.weir.Info().Backend, c.loops
	}
	return spec
}

// ask has the server speak of itself.
func (s *server) ask(what string) (answer, error) {
	if _, err := fmt.Fprintln(s.in, what); err != nil {
		return answer{}, err
	}
	line, err := s.out.ReadBytes('\n')
	if err != nil {
		return answer{}, fmt.Errorf("a server does not answer: %w", err)
	}
	var a answer
	return a, json.Unmarshal(line, &a)
}

func (s *server) usage() (usage, error) {
	a, err := s.ask("usage")
	return a.Usage, err
}

// stop ends the process.
func (s *server) stop() error {
	s.in.Close()
	if err := s.cmd.Wait(); err != nil {
		return fmt.Errorf("a server: %w: %s", err, strings.TrimSpace(s.errs.String()))
	}
	return nil
}

// udpQueue is room, in bytes, for what all clients may send before a server gets to it; the system
// may allow less.
const udpQueue = 4 << 20

// udpServer sends every datagram back, one at a time.
func udpServer(s side, what serverSpec) (string, func() error, error) {
	pc, err := s.listenPacket("udp", "127.0.0.1:0")
	if err != nil {
		return "", nil, err
	}
	conn := pc.(interface {
		SetReadBuffer(int) error
		ReadFromUDPAddrPort([]byte) (int, netip.AddrPort, error)
		WriteToUDPAddrPort([]byte, netip.AddrPort) (int, error)
	})
	if err := conn.SetReadBuffer(udpQueue); err != nil {
		return "", nil, errors.Join(err, pc.Close())
	}
	var serving sync.WaitGroup
	serving.Go(func() {
		for buf := make([]byte, what.Buffer); ; {
			n, from, err := conn.ReadFromUDPAddrPort(buf)
			if err != nil {
				return
			}
			conn.WriteToUDPAddrPort(buf[:n], from) // what cannot be sent is lost: such is UDP
		}
	})
	return pc.LocalAddr().String(), func() error { defer serving.Wait(); return pc.Close() }, nil
}

// udpBatchServer sends datagrams back as many at a time as there are. Package net has nothing like
// it: it does as udpServer does.
func udpBatchServer(s side, what serverSpec) (string, func() error, error) {
	if s.weir == nil {
		return udpServer(s, what)
	}
	pc, err := s.listenPacket("udp", "127.0.0.1:0")
	if err != nil {
		return "", nil, err
	}
	conn := pc.(*aio.UDPConn)
	if err := conn.SetReadBuffer(udpQueue); err != nil {
		return "", nil, errors.Join(err, pc.Close())
	}
	var serving sync.WaitGroup
	serving.Go(func() {
		bufs, ps := make([][]byte, 64), make([]aio.Packet, 64)
		for i := range bufs {
			bufs[i] = make([]byte, what.Buffer)
			ps[i].Buf = bufs[i]
		}
		for ctx := context.Background(); ; {
			n, err := conn.ReadBatch(ctx, ps)
			if err != nil {
				return
			}
			for i := range n {
				ps[i].Buf = ps[i].Buf[:ps[i].N]
			}
			conn.WriteBatch(ctx, ps[:n])
			for i := range n {
				ps[i].Buf = bufs[i]
			}
		}
	})
	return pc.LocalAddr().String(), func() error { defer serving.Wait(); return pc.Close() }, nil
}

// httpServer says hello.
func httpServer(s side, _ serverSpec) (string, func() error, error) {
	ln, err := s.listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", nil, err
	}
	srv := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		io.WriteString(w,
			"hello")
	})}
	served := make(chan error, 1)
	go func() { served <- srv.Serve(ln) }()
	return ln.Addr().String(), func() error {
		err := srv.Close()
		if e := <-served; e != http.ErrServerClosed {
			err = errors.Join(err, e)
		}
		return err
	}, nil
}

// idleServer sends back what it gets, with a goroutine and a buffer, unless it is to do without,
// for each connection.
func idleServer(s side, spec serverSpec) (string, func() error, error) {
	ln, err := s.listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", nil, err
	}
	var serving sync.WaitGroup
	serving.Go(func() {
		for {
			conn, err := ln.Accept()
			if err != nil {
				return
			}
			if c, ok := conn.(*aio.TCPConn); ok && spec.Receive {
				serving.Go(func() { idleReceive(c) })
			} else {
				serving.Go(func() { idleConn(conn, spec.Buffer) })
			}
		}
	})
	return ln.Addr().String(), func() error { defer serving.Wait(); return ln.Close() }, nil
}

func idleConn(conn net.Conn, buffer int) {
	defer conn.Close()
	for buf := make([]byte, buffer); ; {
		n, err := conn.Read(buf)
		if err != nil {
			return
		}
		if _, err := conn.Write(buf[:n]); err != nil {
			return
		}
	}
}

func idleReceive(conn *aio.TCPConn) {
	defer conn.Close()
	echo := func(p []byte) error {
		_, err := conn.Write(p)
		return err
	}
	for conn.Receive(context.Background(), echo) == nil {
	}
}
