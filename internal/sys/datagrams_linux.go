package sys

import (
	"encoding/binary"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Datagrams is reusable memory for recvmmsg(2) and sendmmsg(2). It must be on the heap. The zero
// value is ready for Use.
type Datagrams struct {
	n       int
	headers []mmsghdr
	iovecs  []unix.Iovec
	addrs   []Sockaddr
	control [][controlSize]byte
}

type mmsghdr struct {
	hdr unix.Msghdr
	len uint32
}

// controlSize is the room for the control messages of one datagram: its segment size, and before
// that in the kernel's order everything that a socket can be told to report (200 bytes: timestamps
// of all kinds, drops, mark, priority), so that the size is not cut off.
const controlSize = 256

// Use prepares for n datagrams, or as many as one system call takes.
func (d *Datagrams) Use(n int) {
	d.n = min(n, MaxIovecs)
	if len(d.headers) < d.n {
		d.headers = make([]mmsghdr, d.n)
		d.iovecs = make([]unix.Iovec, d.n)
		d.addrs = make([]Sockaddr, d.n)
		d.control = make([][controlSize]byte, d.n)
	}
}

// Len returns the number of datagrams it is prepared for.
func (d *Datagrams) Len() int { return d.n }

// Addr returns the address of the i-th datagram: its sender, or its destination.
func (d *Datagrams) Addr(i int) *Sockaddr { return &d.addrs[i] }

func (d *Datagrams) prepare(i int, buf []byte) *unix.Msghdr {
	d.iovecs[i] = unix.Iovec{Base: unsafe.SliceData(buf)}
	d.iovecs[i].SetLen(len(buf))
	d.headers[i] = mmsghdr{}
	h := &d.headers[i].hdr
	h.Iov = &d.iovecs[i]
	h.SetIovlen(1)
	return h
}

// Receive makes buf the destination of the i-th datagram.
func (d *Datagrams) Receive(i int, buf []byte) {
	h := d.prepare(i, buf)
	h.Name, h.Namelen = &d.addrs[i].Data[0], uint32(len(d.addrs[i].Data))
	h.Control = &d.control[i][0]
	h.SetControllen(controlSize)
}

// Send makes buf the i-th datagram, sent to its Addr if addressed is set, otherwise to the peer.
// With segment > 0 buf is sent as datagrams of that size.
func (d *Datagrams) Send(i int, buf []byte, addressed bool, segment int) {
	h := d.prepare(i, buf)
	if addressed {
		h.Name, h.Namelen = &d.addrs[i].Data[0], d.addrs[i].Len
	}
	if segment > 0 && segment < len(buf) {
		c := (*unix.Cmsghdr)(unsafe.Pointer(&d.control[i]))
		c.Level, c.Type = unix.SOL_UDP, unix.UDP_SEGMENT
		c.SetLen(unix.CmsgLen(2))
		binary.NativeEndian.PutUint16(d.control[i][unix.CmsgLen(0):], uint16(min(segment, 1<<16-1)))
		h.Control = &d.control[i][0]
		h.SetControllen(unix.CmsgSpace(2))
	}
}

// aside is the cost of a datagram beside its bytes, expressed in bytes.
const aside = 1 << 10

// receiveKeepsP and sendKeepsP are keepsP for a call that receives into all buffers, and for one
// that sends those from first up to end, which portion has found to be small or to be a single one.
func (d *Datagrams) receiveKeepsP() bool {
	room := 0
	for i := range d.n {
		room += max(int(d.iovecs[i].Len), aside)
	}
	return room <= 2*copied && keepsP(d.iovecs[:d.n], true, 2*copied) // few datagrams fill their room
}

func (d *Datagrams) sendKeepsP(first, end int) bool {
	return d.size(first) <= sent && keepsP(d.iovecs[first:end], true, sent)
}

// size returns the cost of sending the i-th datagram, in bytes.
func (d *Datagrams) size(i int) int {
	n, datagrams := int(d.iovecs[i].Len), 1
	if d.headers[i].hdr.Control != nil {
		segment := int(binary.NativeEndian.Uint16(d.control[i][unix.CmsgLen(0):]))
		datagrams = (n + segment - 1) / segment
	}
	return max(n, datagrams*aside)
}

// portion returns the end of those from first on that are sent with the P kept, or else of the
// first alone.
func (d *Datagrams) portion(first, end int) int {
	n := d.size(first)
	for i := first + 1; i < end; i++ {
		if n += d.size(i); n > sent {
			return i
		}
	}
	return end
}

// TryRecv receives what is there without waiting: EAGAIN if there is nothing. It does not inform
// the race detector.
func (d *Datagrams) TryRecv(fd int) (int, syscall.Errno) {
	for {
		var n uintptr
		var errno syscall.Errno
		if d.receiveKeepsP() {
			n, _, errno = syscall.RawSyscall6(unix.SYS_RECVMMSG, uintptr(fd), uintptr(unsafe.Pointer(&d.headers[0])),
				uintptr(d.n), unix.MSG_DONTWAIT, 0, 0)
		} else {
			n, _, errno = syscall.Syscall6(unix.SYS_RECVMMSG, uintptr(fd), uintptr(unsafe.Pointer(&d.headers[0])),
				uintptr(d.n), unix.MSG_DONTWAIT, 0, 0)
		}
		if errno != unix.EINTR {
			return result(n, errno)
		}
	}
}

// TrySend sends those from first up to end, or some of them, without waiting: EAGAIN if there is no
// room. It sends many in portions: giving up the P for each call takes a tenth of a server's time.
// If one fails that is not the first it returns how many were sent; another try returns the error.
func (d *Datagrams) TrySend(fd, first, end int) (int, syscall.Errno) {
	end = d.portion(first, end)
	for {
		var n uintptr
		var errno syscall.Errno
		if d.sendKeepsP(first, end) {
			n, _, errno = syscall.RawSyscall6(unix.SYS_SENDMMSG, uintptr(fd),
				uintptr(unsafe.Pointer(&d.headers[first])), uintptr(end-first),
				unix.MSG_DONTWAIT|unix.MSG_NOSIGNAL, 0, 0)
		} else {
			n, _, errno = syscall.Syscall6(unix.SYS_SENDMMSG, uintptr(fd), uintptr(unsafe.Pointer(&d.headers[first])),
				uintptr(end-first), unix.MSG_DONTWAIT|unix.MSG_NOSIGNAL, 0, 0)
		}
		if errno != unix.EINTR {
			return result(n, errno)
		}
	}
}

// Received returns the number of bytes of the i-th datagram; if the kernel joined several
// datagrams, the size of each but the last; and MSG_TRUNC, MSG_CTRUNC and the like. It sets the
// length of its Addr.
func (d *Datagrams) Received(i int) (n, segment, flags int) {
	h := &d.headers[i]
	d.addrs[i].Len = min(h.hdr.Namelen, uint32(len(d.addrs[i].Data)))
	for rest := d.control[i][:min(int(h.hdr.Controllen), controlSize)]; len(rest) > 0; {
		c, data, next, err := unix.ParseOneSocketControlMessage(rest)
		if err != nil {
			break
		}
		if c.Level == unix.SOL_UDP && c.Type == unix.UDP_GRO && len(data) >= 4 {
			segment = int(binary.NativeEndian.Uint32(data))
		}
		rest = next
	}
	if segment >= int(h.len) {
		segment = 0
	}
	return int(h.len), segment, int(h.hdr.Flags)
}

// Forget drops the references to the buffers.
func (d *Datagrams) Forget() { clear(d.iovecs[:d.n]) }
