package aio

import "net/netip"

// Packet is one of those that UDPConn.ReadBatch and WriteBatch move. The zero Addr stands for the peer of a connected
// socket.
type Packet struct {
	Buf  []byte         // where the data goes, or comes from
	Addr netip.AddrPort // the sender, or where to send to
	N    int            // bytes moved; ReadBatch cuts what is longer than Buf

	// Segment is the size in bytes of the datagrams in Buf, the last of which may be shorter; 0 if
	// there is one. To WriteBatch it says how to cut Buf: up to 64 datagrams, which pass through
	// the kernel as one (GSO, Linux 4.18). Where the path refuses that (EIO) WriteBatch sends them
	// one by one, from then on. ReadBatch reports it for datagrams of one sender that the kernel
	// joined: see UDPConn.SetGRO.
	Segment int

	// Flags is what ReadBatch was told of the packet on Linux, as by recvmsg(2): with
	// syscall.MSG_TRUNC it was longer than Buf, with MSG_CTRUNC the socket reports so much about it
	// that Segment may be missing. WriteBatch leaves it alone.
	Flags int
}
