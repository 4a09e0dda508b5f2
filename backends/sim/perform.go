package sim

import (
	"syscall"

	"github.com/weirgo/weir/backends"
)

// perform does the operation, if it can be done now, and returns its result. It reports false if
// the operation has to wait for something to happen to its file.
func (s *Sim) perform(r *req) (int32, bool) {
	f := r.f
	if r.op.Code.TakesStorageFlags() && r.op.Flags != 0 {
		return fail(syscall.EOPNOTSUPP), true
	}
	switch r.op.Code {
	case backends.OpNop:
		return 0, true
	case backends.OpRead, backends.OpReadv:
		return s.read(r, f)
	case backends.OpWrite, backends.OpWritev:
		r.checkData(s)
		return s.write(r, f)
	case backends.OpRecv, backends.OpRecvMsg:
		return s.recvSocket(r, f)
	case backends.OpSend, backends.OpSendMsg, backends.OpSendZC, backends.OpSendMsgZC:
		r.checkData(s)
		return s.sendSocket(r, f)
	case backends.OpAccept:
		return s.acceptConn(r, f)
	case backends.OpConnect:
		return s.connect(r, f)
	case backends.OpPoll:
		mask := f.mask() & (r.op.Flags | PollErr | PollHup)
		return int32(mask), mask != 0
	case backends.OpShutdown:
		return -int32(s.shutdown(f, r.op.Flags)), true
	case backends.OpFsync, backends.OpFdatasync:
		if f.kind != regular {
			return fail(syscall.EINVAL), true
		}
		return 0, true
	case backends.OpClose:
		return -int32(s.closeFD(r.op.FD)), true
	case backends.OpFtruncate, backends.OpFallocate:
		return s.resize(r, f), true
	}
	if named(r.op.Code) {
		return s.performName(r), true
	}
	return fail(syscall.ENOSYS), true
}

// pipeAtomic is PIPE_BUF: a write to a pipe up to this size is done whole or not yet.
const pipeAtomic = 4096

func (s *Sim) read(r *req, f *file) (int32, bool) {
	bufs := r.bufs()
	switch {
	case f.kind == regular:
		return f.readAt(r, bufs), true
	case f.kind == listener || f.kind != pipe && f.in == nil:
		return fail(syscall.ENOTCONN), true
	case f.in == nil:
		return fail(syscall.EBADF), true
	case size(bufs) == 0:
		return 0, true
	case f.kind == packets:
		res, _, done := s.recvPacket(r, f.in)
		return res, done
	}
	return s.recv(r, f.in, bufs, 0)
}

func (s *Sim) write(r *req, f *file) (int32, bool) {
	bufs := r.bufs()
	switch {
	case f.kind == regular:
		return f.writeAt(r, bufs, int64(s.cfg.FileSize)), true
	case f.kind == listener || f.kind != pipe && f.out == nil:
		return fail(syscall.ENOTCONN), true
	case f.out == nil:
		return fail(syscall.EBADF), true
	case size(bufs) == 0 && f.kind != packets:
		return 0, true
	}
	return s.send(r, f, bufs, 0)
}

func (f *file) readAt(r *req, bufs [][]byte) int32 {
	off := r.op.Off
	if off == backends.Stream {
		off = f.pos
	}
	if off < 0 {
		return fail(syscall.EINVAL)
	}
	n := 0
	if off < int64(len(f.data)) {
		rest := f.data[off:]
		n = scatter(bufs, rest[:r.shorten(min(len(rest), size(bufs)))])
	}
	if r.op.Off == backends.Stream {
		f.pos += int64(n)
	}
	return int32(n)
}

func (f *file) writeAt(r *req, bufs [][]byte, limit int64) int32 {
	off := r.op.Off
	if off == backends.Stream {
		off = f.pos
	}
	n := size(bufs)
	switch {
	case off < 0:
		return fail(syscall.EINVAL)
	case n == 0:
		return 0
	case off >= limit:
		return fail(syscall.EFBIG)
	}
	n = r.shorten(int(min(int64(n), limit-off)))
	if grow := off + int64(n) - int64(len(f.data)); grow > 0 {
		f.data = append(f.data, make([]byte, grow)...)
	}
	gather(f.data[off:off], bufs, 0, n)
	if r.op.Off == backends.Stream {
		f.pos += int64(n)
	}
	return int32(n)
}

func (s *Sim) recvSocket(r *req, f *file) (int32, bool) {
	switch {
	case f.kind != socket && f.kind != packets && f.kind != listener:
		return fail(syscall.ENOTSOCK), true
	case f.in == nil:
		return fail(syscall.ENOTCONN), true
	}
	res, done := int32(0), false
	var flags uint32
	if f.kind == packets {
		res, flags, done = s.recvPacket(r, f.in)
	} else {
		res, done = s.recv(r, f.in, r.bufs(), r.op.Flags)
	}
	if m := r.op.Msg; done && res >= 0 && m != nil {
		m.Flags = flags
		m.Control = m.Control[:0]
		if m.Addr != nil {
			m.Addr.Len = 0
		}
	}
	return res, done
}

// recv takes bytes out of a stream.
func (s *Sim) recv(r *req, in *stream, bufs [][]byte, flags uint32) (int32, bool) {
	if len(in.queue) == 0 {
		switch {
		case len(r.received) > 0 && (in.ended || in.refused):
			return int32(len(r.received)), true
		case in.reset:
			in.reset = false
			return fail(syscall.ECONNRESET), true
		case in.ended || in.refused:
			return 0, true
		case flags&MsgDontWait == 0:
			return 0, false
		case len(r.received) > 0:
			return int32(len(r.received)), true
		}
		return fail(syscall.EAGAIN), true
	}
	room := size(bufs) - len(r.received)
	n := min(room, len(in.queue))
	switch {
	case flags&MsgPeek != 0:
		return int32(scatter(bufs, in.queue[:r.shorten(n)])), true
	case flags&MsgWaitAll != 0:
		r.received = append(r.received, s.consume(in, n)...)
		if n == room || in.ended || in.refused || flags&MsgDontWait != 0 {
			return int32(len(r.received)), true
		}
		return 0, false
	}
	return int32(scatter(bufs, s.consume(in, r.shorten(n)))), true
}

// consume takes n bytes off a stream, which makes room for its writer.
func (s *Sim) consume(in *stream, n int) []byte {
	data := in.queue[:n]
	in.queue = in.queue[n:]
	if n > 0 {
		s.touch(in.writer)
	}
	return data
}

func (s *Sim) recvPacket(r *req, in *stream) (res int32, flags uint32, done bool) {
	if len(in.messages) == 0 {
		switch {
		case in.refused:
			return 0, 0, true
		case r.op.Flags&MsgDontWait != 0:
			return fail(syscall.EAGAIN), 0, true
		}
		return 0, 0, false
	}
	n := in.messages[0]
	got := scatter(r.bufs(), in.queue[:n])
	if r.op.Flags&MsgPeek == 0 {
		in.messages = in.messages[1:]
		s.consume(in, n)
		s.touch(in.writer)
	}
	if got < n {
		flags = MsgTrunc
		if r.op.Flags&MsgTrunc != 0 {
			got = n
		}
	}
	return int32(got), flags, true
}

func (s *Sim) sendSocket(r *req, f *file) (int32, bool) {
	switch m := r.op.Msg; {
	case f.kind != socket && f.kind != packets && f.kind != listener:
		return fail(syscall.ENOTSOCK), true
	case f.out == nil:
		return fail(syscall.EPIPE), true
	case m != nil && len(m.Control) > 0:
		return fail(syscall.EOPNOTSUPP), true
	}
	return s.send(r, f, r.bufs(), r.op.Flags)
}

// send puts bytes, or one message, into a stream.
func (s *Sim) send(r *req, f *file, bufs [][]byte, flags uint32) (int32, bool) {
	out := f.out
	total := size(bufs)
	n := min(total-r.moved, out.max-len(out.queue))
	least := 1
	switch {
	case f.kind == packets:
		least = total
	case f.kind == pipe && total <= pipeAtomic:
		least = min(total, out.max)
	case total == 0:
		least = 0
	}
	switch {
	case out.ended || out.refused:
		if r.moved > 0 {
			return int32(r.moved), true
		}
		return fail(syscall.EPIPE), true
	case f.kind == packets && total > out.max:
		return fail(syscall.EMSGSIZE), true
	case n < least || f.kind == packets && len(out.messages) >= maxMessages:
		if flags&MsgDontWait == 0 {
			return 0, false
		}
		if r.moved > 0 {
			return int32(r.moved), true
		}
		return fail(syscall.EAGAIN), true
	}
	if f.kind != packets && flags&MsgWaitAll == 0 {
		n = r.shorten(n)
	}
	out.queue = gather(out.queue, bufs, r.moved, n)
	if f.kind == packets {
		out.messages = append(out.messages, n)
	}
	s.touch(out.reader)
	if flags&MsgWaitAll == 0 || r.moved+n == total {
		return int32(r.moved + n), true
	}
	r.moved += n
	if flags&MsgDontWait != 0 {
		return int32(r.moved), true
	}
	return 0, false
}

// maxMessages bounds the messages in one direction between packet sockets.
const maxMessages = 256

func (s *Sim) acceptConn(r *req, f *file) (int32, bool) {
	switch {
	case f.kind != socket && f.kind != packets && f.kind != listener:
		return fail(syscall.ENOTSOCK), true
	case f.kind == packets:
		return fail(syscall.EOPNOTSUPP), true
	case f.kind == socket || f.stopped:
		return fail(syscall.EINVAL), true
	case len(f.backlog) == 0:
		return 0, false
	}
	conn := f.backlog[0]
	fd, errno := s.install(conn)
	if errno != 0 {
		return -int32(errno), true
	}
	f.backlog = f.backlog[1:]
	conn.refs--
	for _, caller := range f.callers { // callers that find no room queue up again
		s.touch(caller)
	}
	f.callers = f.callers[:0]
	putAddr(r.op.Addr, conn.out.reader.port)
	return int32(fd), true
}

func (s *Sim) connect(r *req, f *file) (int32, bool) {
	switch {
	case f.kind == listener || f.in != nil && f.kind != pipe:
		return fail(syscall.EISCONN), true
	case f.kind != socket:
		return fail(syscall.ENOTSOCK), true
	}
	l, errno := s.dial(r.op.Addr)
	if errno != 0 {
		return -int32(errno), true
	}
	if len(l.backlog) >= s.cfg.Backlog {
		l.callers = append(l.callers, f)
		return 0, false
	}
	conn := &file{kind: socket, refs: 1} // the reference is the backlog's
	s.join(f, conn)
	s.bindPort(f)
	l.backlog = append(l.backlog, conn)
	s.touch(l)
	s.touch(f)
	return 0, true
}

func (s *Sim) shutdown(f *file, how uint32) syscall.Errno {
	switch {
	case f.kind != socket && f.kind != packets && f.kind != listener:
		return syscall.ENOTSOCK
	case how > ShutRdWr:
		return syscall.EINVAL
	case f.kind == listener:
		if how != ShutWr {
			f.stopped = true
			s.touch(f)
		}
		return 0
	case f.in == nil:
		return syscall.ENOTCONN
	}
	if how != ShutWr {
		f.in.refused = true
		s.touch(f.in.writer)
	}
	if how != ShutRd {
		f.out.ended = true
		s.touch(f.out.reader)
	}
	s.touch(f)
	return 0
}

// mask is the set of poll events that hold now.
func (f *file) mask() uint32 {
	var m uint32
	set := func(bit uint32, on bool) {
		if on {
			m |= bit
		}
	}
	switch {
	case f.kind == regular:
		return PollIn | PollOut
	case f.kind == listener:
		set(PollIn, len(f.backlog) > 0 || f.stopped)
		set(PollHup, f.stopped)
		return m
	case f.kind == pipe:
		if f.in != nil {
			set(PollIn, len(f.in.queue) > 0)
			set(PollHup, f.in.ended)
			return m
		}
		set(PollOut, f.out.room())
		set(PollErr, f.out.refused)
		return m
	case f.in == nil:
		return PollOut | PollHup
	}
	end := f.in.refused || f.in.ended && f.kind == socket
	set(PollIn, len(f.in.queue)+len(f.in.messages) > 0 || end)
	set(PollRdHup, end)
	set(PollOut, f.out.room() || f.out.ended || f.out.refused)
	set(PollHup, end && f.out.ended)
	set(PollErr, f.in.reset)
	return m
}

func (out *stream) room() bool { return len(out.queue) < out.max && len(out.messages) < maxMessages }
