package op

// Flags say how a single read or write is done, whatever the file was opened with: see Op.With.
// They are RWF_* of preadv2(2). An operation with a flag that the kernel, the file system or the
// device does not know reads and writes nothing and ends with EOPNOTSUPP, which is
// errors.ErrUnsupported.
type Flags uint32

// Flags of reads and writes.
const (
	// HiPri has the kernel poll the device for the end of the operation, of a file that is open
	// with O_DIRECT on a device that can be polled; elsewhere it means nothing. A ring refuses it,
	// so the operation is a system call on every backend. Linux 4.6.
	HiPri Flags = 1 << iota

	// DSync has a write be over when its data, and what is needed to read that again, has reached
	// the device, as if the file were open with O_DSYNC. Linux 4.7.
	DSync

	// Sync is DSync for all metadata too, as O_SYNC. Linux 4.7.
	Sync

	// NoWait has the operation do what it can without waiting for data, for room or for a device:
	// what the page cache or the pipe holds. N may be less than asked, and with nothing Err is
	// EAGAIN. Linux 4.14.
	NoWait

	// Append has a write go to the end of the file, as if that were open with O_APPEND: the offset
	// says no more than whether the position moves to the new end (Stream). Linux 4.16.
	Append

	// NoAppend has a write go to its offset although the file is open with O_APPEND. Linux 6.9.
	NoAppend

	// Atomic has all of a write reach the device, or nothing of it, also if the power fails: in one
	// buffer, past the page cache (O_DIRECT), of a size and at an offset that the device takes
	// (STATX_WRITE_ATOMIC), or else EINVAL. Linux 6.11.
	Atomic

	// DontCache has the operation go through the page cache and leave nothing there that it has
	// brought. Linux 6.14.
	DontCache
)

// With gives o, a Read, Write, Readv, Writev, ReadFixed or WriteFixed, these flags in place of
// those that it has:
//
//	op.Write(fd, p, off).With(op.DSync)
//
// On systems other than Linux o ends with errors.ErrUnsupported unless flags is 0. It panics if o
// is of another kind. It returns o.
func (o *Op) With(flags Flags) *Op {
	o.mayChange()
	if !o.c.Op.Code.TakesStorageFlags() {
		panic("op: With of an operation that does not read or write a file: " + o.String())
	}
	o.c.Op.Flags = uint32(flags)
	return o
}
