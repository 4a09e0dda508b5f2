package aio

import "net/netip"

// Packet is a packet that [UDPConn.ReadBatch] and [UDPConn.WriteBatch] move. The zero Addr stands
// for the peer of a connected socket.
type Packet struct {
	Buf  []byte         // where the data goes, or comes from
	Addr netip.AddrPort // the sender, or the destination
	N    int            // number of bytes moved; ReadBatch cuts a packet that is longer than Buf

	// Segment is the size in bytes of the datagrams in Buf, the last of which may be shorter; 0 if
	// there is one. It tells WriteBatch how to cut Buf: up to 64 datagrams, which pass through the
	// kernel as one (GSO, Linux 4.18). If the path refuses that (EIO) WriteBatch sends them one by
	// one, from then on. ReadBatch sets it for datagrams of one sender that the kernel joined: see
	// [UDPConn.SetGRO].
	Segment int

	// Flags is what ReadBatch learned about the packet on Linux, as from recvmsg(2). With
	// syscall.MSG_TRUNC the packet was longer than Buf. With MSG_CTRUNC the socket reports so much
	// about it that Segment may be missing. WriteBatch ignores it.
	Flags int
}
