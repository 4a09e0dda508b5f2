package sim

import (
	"encoding/binary"
	"fmt"
	"syscall"

	"github.com/weirgo/weir/backends"
)

// file is an open file: what descriptors and operations refer to. It ends with the last reference.
type file struct {
	kind    kind
	refs    int
	waiters []*req // operations that wait for something to happen here, in the order in which they began
	dirty   bool   // something did happen

	in, out *stream // of pipe ends and connected sockets: what is read from, what is written to

	*body // of a regular file
	pos   int64

	port    uint16  // of a socket that has an address
	backlog []*file // of a listener: connections to accept
	callers []*file // of a listener: sockets that wait for room in the backlog
	stopped bool    // of a listener: it was shut down
}

// body is the content of a regular file.
type body struct{ data []byte }

type kind uint8

const (
	pipe kind = iota
	socket
	packets // a socket that keeps messages apart
	listener
	regular
	directory // which cannot be opened
)

// stream is one direction of a connection: a queue of bytes.
type stream struct {
	queue          []byte
	messages       []int // lengths of the messages in queue, between packet sockets
	max            int
	reader, writer *file
	ended          bool // nothing more will be written
	refused        bool // nothing more will be read
	reset          bool // the reader is to be told that the connection was reset
}

func (s *Sim) newStream(reader, writer *file) *stream {
	return &stream{max: s.cfg.Buffer, reader: reader, writer: writer}
}

// join connects two sockets.
func (s *Sim) join(a, b *file) {
	a.in, b.in = s.newStream(a, b), s.newStream(b, a)
	a.out, b.out = b.in, a.in
}

const firstFD = 3

// file is what fd names, or nil.
func (s *Sim) file(fd int) *file {
	if fd < 0 || fd >= len(s.fds) {
		return nil
	}
	return s.fds[fd]
}

// install gives f the lowest free descriptor.
func (s *Sim) install(f *file) (int, syscall.Errno) {
	fd := firstFD
	for fd < len(s.fds) && s.fds[fd] != nil {
		fd++
	}
	if fd >= firstFD+s.cfg.FDs {
		return 0, syscall.EMFILE
	}
	if fd == len(s.fds) {
		s.fds = append(s.fds, nil)
	}
	s.fds[fd] = f
	f.refs++
	return fd, 0
}

func (s *Sim) closeFD(fd int) syscall.Errno {
	f := s.file(fd)
	if f == nil {
		return syscall.EBADF
	}
	s.fds[fd] = nil
	s.note("close", 0, "fd", int64(fd), false)
	s.unref(f)
	return 0
}

// unref drops a reference. With the last one the file ends, which its peers notice.
func (s *Sim) unref(f *file) {
	f.refs--
	if f.refs > 0 {
		return
	}
	if f.kind == listener {
		s.closeListener(f)
		return
	}
	if f.port != 0 && s.ports[f.port] == f {
		delete(s.ports, f.port)
	}
	if f.out != nil {
		f.out.ended = true
		if f.in != nil && len(f.in.queue) > 0 {
			f.out.reset = true // data that will not be read any more is a loss that the peer learns of
		}
		s.touch(f.out.reader)
	}
	if f.in != nil {
		f.in.refused, f.in.queue, f.in.messages = true, nil, nil
		s.touch(f.in.writer)
	}
}

// closeListener resets the connections that have not been accepted and refuses those that wait to
// be queued.
func (s *Sim) closeListener(f *file) {
	delete(s.ports, f.port)
	for _, conn := range f.backlog {
		conn.out.reset = true
		s.unref(conn)
	}
	for _, caller := range f.callers {
		s.touch(caller)
	}
	f.backlog, f.callers = nil, nil
}

// touch notes that something happened to f. What waits on it is tried again by settle.
func (s *Sim) touch(f *file) {
	if f != nil && !f.dirty {
		f.dirty = true
		s.dirty = append(s.dirty, f)
	}
}

// settle tries what waits on files to which something happened, until nothing more happens.
func (s *Sim) settle() {
	for i := 0; i < len(s.dirty); i++ {
		f := s.dirty[i]
		f.dirty = false
		if len(f.waiters) == 0 {
			continue
		}
		waiters := append([]*req(nil), f.waiters...)
		if len(waiters) > 1 && s.chance(s.cfg.Faults.Reorder) {
			k := 1 + s.rng.IntN(len(waiters)-1)
			waiters[0], waiters[k] = waiters[k], waiters[0]
		}
		for _, r := range waiters {
			s.try(r)
		}
	}
	s.dirty = s.dirty[:0]
}

// The objects that tests make.

// Pipe makes a pipe and returns its read and its write end.
func (s *Sim) Pipe() (r, w int) {
	a, b := &file{kind: pipe}, &file{kind: pipe}
	a.in = s.newStream(a, b)
	b.out = a.in
	return s.open(a), s.open(b)
}

// SocketPair makes two connected stream sockets.
func (s *Sim) SocketPair() (a, b int) { return s.pair(socket) }

// PacketPair makes two connected sockets that keep messages apart.
func (s *Sim) PacketPair() (a, b int) { return s.pair(packets) }

func (s *Sim) pair(k kind) (int, int) {
	a, b := &file{kind: k}, &file{kind: k}
	s.join(a, b)
	return s.open(a), s.open(b)
}

// Socket makes a stream socket that is not connected yet.
func (s *Sim) Socket() int { return s.open(&file{kind: socket}) }

// File makes a file with a copy of content, opened for reading and writing at position 0.
func (s *Sim) File(content []byte) int {
	return s.open(&file{kind: regular, body: &body{append([]byte(nil), content...)}})
}

// Listen makes a listening socket; OpConnect finds it at addr.
func (s *Sim) Listen() (fd int, addr *backends.Sockaddr) {
	f := &file{kind: listener}
	s.mu.Lock()
	s.bindPort(f)
	addr = new(backends.Sockaddr)
	addr.Len = uint32(copy(addr.Data[:], inet(f.port)))
	s.mu.Unlock()
	return s.open(f), addr
}

func (s *Sim) open(f *file) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	fd, errno := s.install(f)
	if errno != 0 {
		panic(fmt.Sprintf("sim: %d descriptors are open, no more fit (Config.FDs)", s.cfg.FDs))
	}
	return fd
}

// CloseFD closes a descriptor, as close(2) does outside of the loop.
func (s *Sim) CloseFD(fd int) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if errno := s.closeFD(fd); errno != 0 {
		return errno
	}
	s.cond.Broadcast()
	return nil
}

// DupFD makes another descriptor of the same open file, as dup(2) does.
func (s *Sim) DupFD(fd int) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f := s.file(fd)
	if f == nil {
		return -1, syscall.EBADF
	}
	dup, errno := s.install(f)
	if errno != 0 {
		return -1, errno
	}
	return dup, nil
}

// OpenFDs counts the descriptors that are open.
func (s *Sim) OpenFDs() int { return len(s.Descriptors()) }

// Descriptors lists what is open: a descriptor and what it is.
func (s *Sim) Descriptors() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var list []string
	for fd, f := range s.fds {
		if f != nil {
			list = append(list, fmt.Sprintf("%d %v", fd, f))
		}
	}
	return list
}

func (f *file) String() string {
	switch {
	case f.kind == pipe && f.in != nil:
		return "read end of a pipe"
	case f.kind == pipe:
		return "write end of a pipe"
	case f.kind == packets:
		return "packet socket"
	case f.kind == listener:
		return fmt.Sprintf("listener on port %d", f.port)
	case f.kind == regular:
		return "file"
	case f.in == nil:
		return "unconnected socket"
	default:
		return "connected socket"
	}
}

// Data is a copy of what fd holds: the content of a file, or what is in a pipe or socket to be read
// from fd.
func (s *Sim) Data(fd int) []byte {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch f := s.file(fd); {
	case f == nil:
		panic(fmt.Sprintf("sim: Data(%d): not open", fd))
	case f.kind == regular:
		return append([]byte{}, f.data...)
	case f.in != nil:
		return append([]byte{}, f.in.queue...)
	default:
		return nil
	}
}

// Addresses are those of 127.0.0.1, as struct sockaddr_in has them on Linux.

const (
	familyInet = 2
	sizeofInet = 16
)

func inet(port uint16) []byte {
	b := make([]byte, sizeofInet)
	binary.NativeEndian.PutUint16(b, familyInet)
	binary.BigEndian.PutUint16(b[2:], port)
	copy(b[4:], []byte{127, 0, 0, 1})
	return b
}

// bindPort gives f an unused port.
func (s *Sim) bindPort(f *file) {
	for s.ports[s.port] != nil || s.port == 0 {
		s.port++
	}
	f.port = s.port
	s.ports[s.port] = f
	s.port++
}

// dial looks for the listener at addr.
func (s *Sim) dial(addr *backends.Sockaddr) (*file, syscall.Errno) {
	switch {
	case addr == nil:
		return nil, syscall.EFAULT
	case addr.Len < sizeofInet || int(addr.Len) > len(addr.Data):
		return nil, syscall.EINVAL
	case binary.NativeEndian.Uint16(addr.Data[:]) != familyInet:
		return nil, syscall.EAFNOSUPPORT
	}
	f := s.ports[binary.BigEndian.Uint16(addr.Data[2:])]
	if [4]byte(addr.Data[4:8]) != [4]byte{127, 0, 0, 1} || f == nil || f.kind != listener || f.stopped {
		return nil, syscall.ECONNREFUSED
	}
	return f, 0
}

// putAddr fills addr in as accept(2) does: cut to the room there is, with the full length.
func putAddr(addr *backends.Sockaddr, port uint16) {
	if addr == nil {
		return
	}
	room := min(int(addr.Len), len(addr.Data))
	copy(addr.Data[:room], inet(port))
	addr.Len = sizeofInet
}
