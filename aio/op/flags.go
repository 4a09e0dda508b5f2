package op

// Flags say how a single read or write is done, whatever the file was opened with: see [Op.With].
// They are RWF_* of preadv2(2). An operation with a flag that the kernel, the file system or the
// device does not know reads and writes nothing, and ends with EOPNOTSUPP, for which errors.Is(err,
// errors.ErrUnsupported) holds.
type Flags uint32

// Flags of reads and writes.
const (
	// HiPri makes the kernel poll the device for the end of the operation. The file must be open
	// with O_DIRECT on a device that can be polled; otherwise HiPri has no effect. A ring refuses
	// it, so the operation is a system call on every backend. Linux 4.6.
	HiPri Flags = 1 << iota

	// DSync delays the end of a write until its data, and what is needed to read that again, has
	// reached the device, as if the file were open with O_DSYNC. Linux 4.7.
	DSync

	// Sync is DSync for all metadata too, as O_SYNC. Linux 4.7.
	Sync

	// NoWait makes the operation do what it can without waiting for data, for room or for a device:
	// what the page cache or the pipe holds. N may be less than asked. If it can do nothing, Err is
	// EAGAIN. Linux 4.14.
	NoWait

	// Append makes a write go to the end of the file, as if that were open with O_APPEND. The
	// offset only says whether the position moves to the new end ([Stream]). Linux 4.16.
	Append

	// NoAppend makes a write go to its offset although the file is open with O_APPEND. Linux 6.9.
	NoAppend

	// Atomic makes all of a write reach the device, or nothing of it, even if the power fails. The
	// write must be one buffer, bypass the page cache (O_DIRECT), and have a size and an offset
	// that the device takes (STATX_WRITE_ATOMIC); otherwise the error is EINVAL. Linux 6.11.
	Atomic

	// DontCache makes the operation go through the page cache and drop the pages that it brought
	// there. Linux 6.14.
	DontCache
)

// With replaces the flags of o, a Read, Write, Readv, Writev, ReadFixed or WriteFixed:
//
//	op.Write(fd, p, off).With(op.DSync)
//
// On systems other than Linux o ends with errors.ErrUnsupported unless flags is 0. With panics if o
// is of another kind. It returns o.
func (o *Op) With(flags Flags) *Op {
	o.mayChange()
	if !o.c.Op.Code.TakesStorageFlags() {
		panic("op: With of an operation that does not read or write a file: " + o.String())
	}
	o.c.Op.Flags = uint32(flags)
	return o
}
