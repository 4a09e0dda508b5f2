package sys

import (
	"strconv"
	"structs"
	"unsafe"
)

// This file is the io_uring ABI of Linux 6.18: <linux/io_uring.h> and
// <linux/io_uring/query.h>, nothing newer. It has no build tag, so that code
// that encodes or decodes entries can be tested on every system.
//
// Names are the kernel's without IORING_, IOSQE_ or IOU_. The comment behind a
// constant is the kernel that brought it; distribution kernels backport, so it
// says what to expect, not what to test for.
//
// The kernel reads unions; a struct here has one field per slot and lists the
// members that share it. Where a member is narrower than its slot it sits at
// the slot's first bytes in memory, which is the low half only on
// little-endian machines.

// SQE is one submission queue entry (struct io_uring_sqe). Rings made with
// SetupSQE128 lay entries out at twice the distance; their command data
// starts at Addr3 and is 80 bytes long instead of 16.
//
// OpFlags is rw_flags | fsync_flags | poll32_events (16-bit halves swapped on
// big-endian) | sync_range_flags | msg_flags | timeout_flags | accept_flags |
// cancel_flags | open_flags | statx_flags | fadvise_advice | splice_flags |
// rename_flags | unlink_flags | hardlink_flags | xattr_flags | msg_ring_flags |
// uring_cmd_flags | waitid_flags | futex_flags | install_fd_flags | nop_flags |
// pipe_flags.
type SQE struct {
	_           structs.HostLayout
	Opcode      uint8  // one of the Op constants
	Flags       uint8  // SQE flags
	Ioprio      uint16 // I/O priority, or the Recvsend, Recv, Send and Accept flags
	Fd          int32  // descriptor, or index of a fixed file (SQEFixedFile), or directory descriptor
	Off         uint64 // off | addr2 | cmd_op (first 32 bits)
	Addr        uint64 // addr | splice_off_in | level, optname (32 bits each)
	Len         uint32 // bytes, iovecs, or a count; PollAdd and PollUpdate flags
	OpFlags     uint32 // the operation's own flags: see above
	UserData    uint64 // handed back in CQE.UserData
	BufIndex    uint16 // buf_index | buf_group
	Personality uint16 // from RegisterPersonality, or 0
	SpliceFdIn  int32  // splice_fd_in | file_index | zcrx_ifq_idx | optlen | addr_len (16 bits) | write_stream (8 bits)
	Addr3       uint64 // addr3 | attr_ptr | optval | start of command data
	Pad2        uint64 // attr_type_mask
}

const _ = -uint(unsafe.Sizeof(SQE{}) ^ 64)

// CQE is one completion queue entry (struct io_uring_cqe). With SetupCQE32,
// or when CQEF32 is set in Flags, 16 more bytes follow it in the ring.
type CQE struct {
	_        structs.HostLayout
	UserData uint64 // SQE.UserData of the request
	Res      int32  // result, or a negated errno
	Flags    uint32 // CQEF flags; the buffer ID from bit CQEBufferShift up
}

const _ = -uint(unsafe.Sizeof(CQE{}) ^ 16)

// SQRingOffsets says where in the mapped ring the submission queue's fields
// are (struct io_sqring_offsets). All but UserAddr are in bytes.
type SQRingOffsets struct {
	_           structs.HostLayout
	Head        uint32
	Tail        uint32
	RingMask    uint32
	RingEntries uint32
	Flags       uint32
	Dropped     uint32
	Array       uint32 // 0 with SetupNoSQArray
	Resv1       uint32
	UserAddr    uint64 // in: memory for the SQEs, with SetupNoMmap
}

const _ = -uint(unsafe.Sizeof(SQRingOffsets{}) ^ 40)

// CQRingOffsets says where in the mapped ring the completion queue's fields
// are (struct io_cqring_offsets). All but UserAddr are in bytes.
type CQRingOffsets struct {
	_           structs.HostLayout
	Head        uint32
	Tail        uint32
	RingMask    uint32
	RingEntries uint32
	Overflow    uint32
	CQEs        uint32
	Flags       uint32
	Resv1       uint32
	UserAddr    uint64 // in: memory for the rings, with SetupNoMmap
}

const _ = -uint(unsafe.Sizeof(CQRingOffsets{}) ^ 40)

// Params is the argument of io_uring_setup and of RegisterResizeRings
// (struct io_uring_params). The kernel fills in what it decided.
type Params struct {
	_            structs.HostLayout
	SQEntries    uint32 // out
	CQEntries    uint32 // in with SetupCQSize; out
	Flags        uint32 // Setup flags
	SQThreadCPU  uint32 // with SetupSQAff
	SQThreadIdle uint32 // milliseconds, with SetupSQPoll
	Features     uint32 // out: Feat flags
	WQFd         uint32 // ring to share workers with, with SetupAttachWQ
	Resv         [3]uint32
	SQOff        SQRingOffsets
	CQOff        CQRingOffsets
}

const _ = -uint(unsafe.Sizeof(Params{}) ^ 120)

// GetEventsArg is the argument of io_uring_enter with EnterExtArg
// (struct io_uring_getevents_arg).
type GetEventsArg struct {
	_           structs.HostLayout
	Sigmask     uint64 // address of a signal mask, or 0
	SigmaskSize uint32 // bytes; 8 when there is a mask
	MinWaitUsec uint32 // with FeatMinTimeout
	Ts          uint64 // address of a Timespec, or 0
}

const _ = -uint(unsafe.Sizeof(GetEventsArg{}) ^ 24)

// Timespec is struct __kernel_timespec: 64 bits each on every machine.
type Timespec struct {
	_    structs.HostLayout
	Sec  int64
	Nsec int64
}

const _ = -uint(unsafe.Sizeof(Timespec{}) ^ 16)

// Probe is the head of the argument of RegisterProbe (struct io_uring_probe).
// Behind it in memory there is room for up to 256 ProbeOps.
type Probe struct {
	_      structs.HostLayout
	LastOp uint8 // out: highest opcode the kernel knows
	OpsLen uint8 // out: how many ProbeOps it wrote
	Resv   uint16
	Resv2  [3]uint32
}

const _ = -uint(unsafe.Sizeof(Probe{}) ^ 16)

// ProbeOp describes one opcode (struct io_uring_probe_op).
type ProbeOp struct {
	_     structs.HostLayout
	Op    uint8
	Resv  uint8
	Flags uint16 // OpSupported
	Resv2 uint32
}

const _ = -uint(unsafe.Sizeof(ProbeOp{}) ^ 8)

// FilesUpdate is the argument of RegisterFilesUpdate
// (struct io_uring_files_update).
type FilesUpdate struct {
	_      structs.HostLayout
	Offset uint32 // first slot
	Resv   uint32
	Fds    uint64 // address of int32 descriptors
}

const _ = -uint(unsafe.Sizeof(FilesUpdate{}) ^ 16)

// RsrcRegister is the argument of RegisterFiles2 and RegisterBuffers2
// (struct io_uring_rsrc_register).
type RsrcRegister struct {
	_     structs.HostLayout
	Nr    uint32
	Flags uint32 // RsrcRegisterSparse
	Resv2 uint64
	Data  uint64 // address of descriptors or iovecs
	Tags  uint64 // address of uint64 tags, or 0
}

const _ = -uint(unsafe.Sizeof(RsrcRegister{}) ^ 32)

// RsrcUpdate is the argument of RegisterFilesUpdate in its newer spelling and
// of RegisterRingFDs (struct io_uring_rsrc_update).
type RsrcUpdate struct {
	_      structs.HostLayout
	Offset uint32
	Resv   uint32
	Data   uint64
}

const _ = -uint(unsafe.Sizeof(RsrcUpdate{}) ^ 16)

// RsrcUpdate2 is the argument of RegisterFilesUpdate2 and
// RegisterBuffersUpdate (struct io_uring_rsrc_update2).
type RsrcUpdate2 struct {
	_      structs.HostLayout
	Offset uint32
	Resv   uint32
	Data   uint64
	Tags   uint64
	Nr     uint32
	Resv2  uint32
}

const _ = -uint(unsafe.Sizeof(RsrcUpdate2{}) ^ 32)

// BufReg is the argument of RegisterPbufRing and UnregisterPbufRing
// (struct io_uring_buf_reg).
type BufReg struct {
	_           structs.HostLayout
	RingAddr    uint64 // page-aligned; 0 with PbufRingMmap
	RingEntries uint32 // a power of two, at most 32768
	Bgid        uint16
	Flags       uint16 // PbufRing flags
	Resv        [3]uint64
}

const _ = -uint(unsafe.Sizeof(BufReg{}) ^ 40)

// Buf is one entry of a buffer ring (struct io_uring_buf).
type Buf struct {
	_    structs.HostLayout
	Addr uint64
	Len  uint32
	Bid  uint16
	Resv uint16 // in entry 0 this is the ring's tail: see BufRing
}

const _ = -uint(unsafe.Sizeof(Buf{}) ^ 16)

// BufRing is the head of a buffer ring (struct io_uring_buf_ring). It lies
// over entry 0: Tail shares memory with that entry's Resv and Resv3 with its
// Bid, so a wider store to Tail also writes that Bid.
type BufRing struct {
	_     structs.HostLayout
	Resv1 uint64
	Resv2 uint32
	Resv3 uint16
	Tail  uint16
}

const _ = -uint(unsafe.Sizeof(BufRing{}) ^ 16)

// BufStatus is the argument of RegisterPbufStatus
// (struct io_uring_buf_status).
type BufStatus struct {
	_        structs.HostLayout
	BufGroup uint32 // in
	Head     uint32 // out
	Resv     [8]uint32
}

const _ = -uint(unsafe.Sizeof(BufStatus{}) ^ 40)

// Restriction is one element of the argument of RegisterRestrictions
// (struct io_uring_restriction).
type Restriction struct {
	_      structs.HostLayout
	Opcode uint16 // one of the Restriction constants
	Arg    uint8  // register_op | sqe_op | sqe_flags
	Resv   uint8
	Resv2  [3]uint32
}

const _ = -uint(unsafe.Sizeof(Restriction{}) ^ 16)

// SyncCancelReg is the argument of RegisterSyncCancel
// (struct io_uring_sync_cancel_reg).
type SyncCancelReg struct {
	_       structs.HostLayout
	Addr    uint64 // user data to match
	Fd      int32
	Flags   uint32   // AsyncCancel flags
	Timeout Timespec // both fields -1: no limit
	Opcode  uint8    // with AsyncCancelOp
	Pad     [7]uint8
	Pad2    [3]uint64
}

const _ = -uint(unsafe.Sizeof(SyncCancelReg{}) ^ 64)

// FileIndexRange is the argument of RegisterFileAllocRange
// (struct io_uring_file_index_range): slots Off up to Off+Len.
type FileIndexRange struct {
	_    structs.HostLayout
	Off  uint32
	Len  uint32
	Resv uint64
}

const _ = -uint(unsafe.Sizeof(FileIndexRange{}) ^ 16)

// RecvmsgOut is what a multishot OpRecvmsg puts at the start of each buffer
// (struct io_uring_recvmsg_out). Behind it come name, control data and
// payload, the first two in the sizes that the request's msghdr reserved.
type RecvmsgOut struct {
	_          structs.HostLayout
	Namelen    uint32
	Controllen uint32
	Payloadlen uint32
	Flags      uint32 // MSG_ flags
}

const _ = -uint(unsafe.Sizeof(RecvmsgOut{}) ^ 16)

// RegWait is one element of a wait region, which io_uring_enter reads with
// EnterExtArgReg (struct io_uring_reg_wait).
type RegWait struct {
	_           structs.HostLayout
	Ts          Timespec
	MinWaitUsec uint32
	Flags       uint32 // RegWaitTS
	Sigmask     uint64
	SigmaskSize uint32
	Pad         [3]uint32
	Pad2        [2]uint64
}

const _ = -uint(unsafe.Sizeof(RegWait{}) ^ 64)

// MemRegionDesc describes a memory region (struct io_uring_region_desc).
type MemRegionDesc struct {
	_          structs.HostLayout
	UserAddr   uint64
	Size       uint64
	Flags      uint32 // MemRegionTypeUser
	ID         uint32
	MmapOffset uint64 // out
	Resv       [4]uint64
}

const _ = -uint(unsafe.Sizeof(MemRegionDesc{}) ^ 64)

// MemRegionReg is the argument of RegisterMemRegion
// (struct io_uring_mem_region_reg).
type MemRegionReg struct {
	_          structs.HostLayout
	RegionUptr uint64 // address of a MemRegionDesc
	Flags      uint64 // MemRegionRegWaitArg
	Resv       [2]uint64
}

const _ = -uint(unsafe.Sizeof(MemRegionReg{}) ^ 32)

// NapiReg is the argument of RegisterNapi and UnregisterNapi
// (struct io_uring_napi).
type NapiReg struct {
	_              structs.HostLayout
	BusyPollTo     uint32 // microseconds
	PreferBusyPoll uint8
	Opcode         uint8 // NapiRegisterOp, NapiStaticAddID or NapiStaticDelID
	Pad            [2]uint8
	OpParam        uint32 // a NapiTracking constant, or a NAPI ID
	Resv           uint32
}

const _ = -uint(unsafe.Sizeof(NapiReg{}) ^ 16)

// ClockRegister is the argument of RegisterClock
// (struct io_uring_clock_register).
type ClockRegister struct {
	_       structs.HostLayout
	ClockID uint32 // CLOCK_MONOTONIC or CLOCK_BOOTTIME
	Resv    [3]uint32
}

const _ = -uint(unsafe.Sizeof(ClockRegister{}) ^ 16)

// CloneBuffers is the argument of RegisterCloneBuffers
// (struct io_uring_clone_buffers).
type CloneBuffers struct {
	_      structs.HostLayout
	SrcFd  uint32
	Flags  uint32 // RegisterSrcRegistered, RegisterDstReplace
	SrcOff uint32
	DstOff uint32
	Nr     uint32 // 0: all
	Pad    [3]uint32
}

const _ = -uint(unsafe.Sizeof(CloneBuffers{}) ^ 32)

// AttrPI is the integrity attribute of a read or write, which SQE.Addr3
// points to with RWAttrFlagPI (struct io_uring_attr_pi).
type AttrPI struct {
	_      structs.HostLayout
	Flags  uint16
	AppTag uint16
	Len    uint32
	Addr   uint64
	Seed   uint64
	Rsvd   uint64
}

const _ = -uint(unsafe.Sizeof(AttrPI{}) ^ 32)

// QueryHeader is the argument of RegisterQuery (struct io_uring_query_hdr).
// Queries can be chained; no ring is needed (descriptor -1).
type QueryHeader struct {
	_         structs.HostLayout
	NextEntry uint64 // address of the next QueryHeader, or 0
	QueryData uint64 // address of the answer
	QueryOp   uint32 // QueryOpcodes
	Size      uint32 // in: room for the answer; out: bytes of it that were written
	Result    int32  // out: 0, or a negated errno
	Resv      [3]uint32
}

const _ = -uint(unsafe.Sizeof(QueryHeader{}) ^ 40)

// QueryOpcode is the answer to QueryOpcodes (struct io_uring_query_opcode).
type QueryOpcode struct {
	_                 structs.HostLayout
	NrRequestOpcodes  uint32 // the running kernel's OpLast
	NrRegisterOpcodes uint32 // the running kernel's RegisterLast
	FeatureFlags      uint64 // Feat flags it knows
	RingSetupFlags    uint64 // Setup flags it knows
	EnterFlags        uint64 // Enter flags it knows
	SQEFlags          uint64 // SQE flags it knows
	NrQueryOpcodes    uint32
	Pad               uint32
}

const _ = -uint(unsafe.Sizeof(QueryOpcode{}) ^ 48)

// Opcode is the type of SQE.Opcode.
type Opcode = uint8

// Operations. OpcodeName and OpcodeSince know their names and versions.
const (
	OpNop            Opcode = 0  // 5.1
	OpReadv          Opcode = 1  // 5.1
	OpWritev         Opcode = 2  // 5.1
	OpFsync          Opcode = 3  // 5.1
	OpReadFixed      Opcode = 4  // 5.1
	OpWriteFixed     Opcode = 5  // 5.1
	OpPollAdd        Opcode = 6  // 5.1
	OpPollRemove     Opcode = 7  // 5.1
	OpSyncFileRange  Opcode = 8  // 5.2
	OpSendmsg        Opcode = 9  // 5.3
	OpRecvmsg        Opcode = 10 // 5.3
	OpTimeout        Opcode = 11 // 5.4
	OpTimeoutRemove  Opcode = 12 // 5.5
	OpAccept         Opcode = 13 // 5.5
	OpAsyncCancel    Opcode = 14 // 5.5
	OpLinkTimeout    Opcode = 15 // 5.5
	OpConnect        Opcode = 16 // 5.5
	OpFallocate      Opcode = 17 // 5.6
	OpOpenat         Opcode = 18 // 5.6
	OpClose          Opcode = 19 // 5.6
	OpFilesUpdate    Opcode = 20 // 5.6
	OpStatx          Opcode = 21 // 5.6
	OpRead           Opcode = 22 // 5.6
	OpWrite          Opcode = 23 // 5.6
	OpFadvise        Opcode = 24 // 5.6
	OpMadvise        Opcode = 25 // 5.6
	OpSend           Opcode = 26 // 5.6
	OpRecv           Opcode = 27 // 5.6
	OpOpenat2        Opcode = 28 // 5.6
	OpEpollCtl       Opcode = 29 // 5.6
	OpSplice         Opcode = 30 // 5.7
	OpProvideBuffers Opcode = 31 // 5.7
	OpRemoveBuffers  Opcode = 32 // 5.7
	OpTee            Opcode = 33 // 5.8
	OpShutdown       Opcode = 34 // 5.11
	OpRenameat       Opcode = 35 // 5.11
	OpUnlinkat       Opcode = 36 // 5.11
	OpMkdirat        Opcode = 37 // 5.15
	OpSymlinkat      Opcode = 38 // 5.15
	OpLinkat         Opcode = 39 // 5.15
	OpMsgRing        Opcode = 40 // 5.18
	OpFsetxattr      Opcode = 41 // 5.19
	OpSetxattr       Opcode = 42 // 5.19
	OpFgetxattr      Opcode = 43 // 5.19
	OpGetxattr       Opcode = 44 // 5.19
	OpSocket         Opcode = 45 // 5.19
	OpUringCmd       Opcode = 46 // 5.19
	OpSendZC         Opcode = 47 // 6.0
	OpSendmsgZC      Opcode = 48 // 6.1
	OpReadMultishot  Opcode = 49 // 6.7
	OpWaitid         Opcode = 50 // 6.7
	OpFutexWait      Opcode = 51 // 6.7
	OpFutexWake      Opcode = 52 // 6.7
	OpFutexWaitv     Opcode = 53 // 6.7
	OpFixedFDInstall Opcode = 54 // 6.8
	OpFtruncate      Opcode = 55 // 6.9
	OpBind           Opcode = 56 // 6.11
	OpListen         Opcode = 57 // 6.11
	OpRecvZC         Opcode = 58 // 6.15
	OpEpollWait      Opcode = 59 // 6.15
	OpReadvFixed     Opcode = 60 // 6.15
	OpWritevFixed    Opcode = 61 // 6.15
	OpPipe           Opcode = 62 // 6.16
	OpLast           Opcode = 63 // 6.18: one past the last opcode
)

// SQE.Flags.
const (
	SQEFixedFile      = 1 << 0 // 5.1
	SQEIODrain        = 1 << 1 // 5.2
	SQEIOLink         = 1 << 2 // 5.3
	SQEIOHardlink     = 1 << 3 // 5.5
	SQEAsync          = 1 << 4 // 5.6
	SQEBufferSelect   = 1 << 5 // 5.7
	SQECQESkipSuccess = 1 << 6 // 5.17
)

// FileIndexAlloc in SQE.SpliceFdIn lets the kernel choose the slot of a new
// direct descriptor. The header spells it ~0U; -1 has the same bits and fits
// the field.
const FileIndexAlloc = -1 // 5.19

// Attributes of a read or write, a mask in SQE.Pad2.
const (
	RWAttrFlagPI = 1 << 0 // 6.14: SQE.Addr3 points to an AttrPI
)

// Params.Flags.
const (
	SetupIOPoll           = 1 << 0  // 5.1
	SetupSQPoll           = 1 << 1  // 5.1
	SetupSQAff            = 1 << 2  // 5.1
	SetupCQSize           = 1 << 3  // 5.5
	SetupClamp            = 1 << 4  // 5.6
	SetupAttachWQ         = 1 << 5  // 5.6
	SetupRDisabled        = 1 << 6  // 5.10
	SetupSubmitAll        = 1 << 7  // 5.18
	SetupCoopTaskrun      = 1 << 8  // 5.19
	SetupTaskrunFlag      = 1 << 9  // 5.19
	SetupSQE128           = 1 << 10 // 5.19
	SetupCQE32            = 1 << 11 // 5.19
	SetupSingleIssuer     = 1 << 12 // 6.0
	SetupDeferTaskrun     = 1 << 13 // 6.1
	SetupNoMmap           = 1 << 14 // 6.5
	SetupRegisteredFDOnly = 1 << 15 // 6.5
	SetupNoSQArray        = 1 << 16 // 6.6
	SetupHybridIOPoll     = 1 << 17 // 6.13
	SetupCQEMixed         = 1 << 18 // 6.18
)

// Params.Features.
const (
	FeatSingleMmap     = 1 << 0  // 5.4
	FeatNoDrop         = 1 << 1  // 5.5
	FeatSubmitStable   = 1 << 2  // 5.5
	FeatRWCurPos       = 1 << 3  // 5.6
	FeatCurPersonality = 1 << 4  // 5.6
	FeatFastPoll       = 1 << 5  // 5.7
	FeatPoll32Bits     = 1 << 6  // 5.9
	FeatSQPollNonfixed = 1 << 7  // 5.11
	FeatExtArg         = 1 << 8  // 5.11
	FeatNativeWorkers  = 1 << 9  // 5.12
	FeatRsrcTags       = 1 << 10 // 5.13
	FeatCQESkip        = 1 << 11 // 5.17
	FeatLinkedFile     = 1 << 12 // 5.18, and 5.17.4
	FeatRegRegRing     = 1 << 13 // 6.3
	FeatRecvsendBundle = 1 << 14 // 6.10
	FeatMinTimeout     = 1 << 15 // 6.12
	FeatRWAttr         = 1 << 16 // 6.14
	FeatNoIowait       = 1 << 17 // 6.15
)

// Flags of io_uring_enter.
const (
	EnterGetEvents      = 1 << 0 // 5.1
	EnterSQWakeup       = 1 << 1 // 5.1
	EnterSQWait         = 1 << 2 // 5.10
	EnterExtArg         = 1 << 3 // 5.11
	EnterRegisteredRing = 1 << 4 // 5.18
	EnterAbsTimer       = 1 << 5 // 6.12
	EnterExtArgReg      = 1 << 6 // 6.13
	EnterNoIowait       = 1 << 7 // 6.15
)

// CQE.Flags.
const (
	CQEFBuffer       = 1 << 0  // 5.7: the buffer ID is in the upper 16 bits
	CQEFMore         = 1 << 1  // 5.13: more entries of the same request follow
	CQEFSockNonempty = 1 << 2  // 5.19: the socket holds more data
	CQEFNotif        = 1 << 3  // 6.0: a zero-copy send let go of its memory
	CQEFBufMore      = 1 << 4  // 6.12: the kernel goes on filling this buffer
	CQEFSkip         = 1 << 5  // 6.18: filler, to be ignored
	CQEF32           = 1 << 15 // 6.18: this entry is 32 bytes long
	CQEFTstampHW     = 1 << 16 // 6.17: SocketUringOpTxTimestamp: the time is the hardware's

	CQEBufferShift     = 16 // 5.7
	TimestampHWShift   = 16 // 6.17
	TimestampTypeShift = 17 // 6.17
)

// The submission ring's flags word.
const (
	SQNeedWakeup = 1 << 0 // 5.1
	SQCQOverflow = 1 << 1 // 5.8
	SQTaskrun    = 1 << 2 // 5.19
)

// The completion ring's flags word.
const (
	CQEventfdDisabled = 1 << 0 // 5.8
)

// Offsets for mmap on a ring's descriptor. A buffer ring is at OffPbufRing plus
// its group ID << OffPbufShift.
const (
	OffSQRing    = 0          // 5.1
	OffCQRing    = 0x8000000  // 5.1
	OffSQEs      = 0x10000000 // 5.1
	OffPbufRing  = 0x80000000 // 6.4
	OffPbufShift = 16         // 6.4
	OffMmapMask  = 0xf8000000 // 6.4
)

// Opcodes of io_uring_register. RegisterUseRegisteredRing is or-ed to one of
// them and makes the descriptor an index of RegisterRingFDs.
const (
	RegisterBuffers           = 0       // 5.1
	UnregisterBuffers         = 1       // 5.1
	RegisterFiles             = 2       // 5.1
	UnregisterFiles           = 3       // 5.1
	RegisterEventfd           = 4       // 5.2
	UnregisterEventfd         = 5       // 5.2
	RegisterFilesUpdate       = 6       // 5.5
	RegisterEventfdAsync      = 7       // 5.6
	RegisterProbe             = 8       // 5.6
	RegisterPersonality       = 9       // 5.6
	UnregisterPersonality     = 10      // 5.6
	RegisterRestrictions      = 11      // 5.10
	RegisterEnableRings       = 12      // 5.10
	RegisterFiles2            = 13      // 5.13
	RegisterFilesUpdate2      = 14      // 5.13
	RegisterBuffers2          = 15      // 5.13
	RegisterBuffersUpdate     = 16      // 5.13
	RegisterIOWQAff           = 17      // 5.14
	UnregisterIOWQAff         = 18      // 5.14
	RegisterIOWQMaxWorkers    = 19      // 5.15
	RegisterRingFDs           = 20      // 5.18
	UnregisterRingFDs         = 21      // 5.18
	RegisterPbufRing          = 22      // 5.19
	UnregisterPbufRing        = 23      // 5.19
	RegisterSyncCancel        = 24      // 6.0
	RegisterFileAllocRange    = 25      // 6.0
	RegisterPbufStatus        = 26      // 6.8
	RegisterNapi              = 27      // 6.9
	UnregisterNapi            = 28      // 6.9
	RegisterClock             = 29      // 6.12
	RegisterCloneBuffers      = 30      // 6.12
	RegisterSendMsgRing       = 31      // 6.13
	RegisterZcrxIfq           = 32      // 6.15
	RegisterResizeRings       = 33      // 6.13
	RegisterMemRegion         = 34      // 6.13
	RegisterQuery             = 35      // 6.18
	RegisterLast              = 36      // 6.18: one past the last opcode
	RegisterUseRegisteredRing = 1 << 31 // 6.3
)

// Values that go into the arguments of the register opcodes.
const (
	OpSupported = 1 << 0 // 5.6: ProbeOp.Flags

	RegisterFilesSkip  = -2     // 5.12: a descriptor that leaves its slot alone
	RsrcRegisterSparse = 1 << 0 // 5.19: RsrcRegister.Flags

	PbufRingMmap = 1 << 0 // 6.4: BufReg.Flags
	PbufRingInc  = 1 << 1 // 6.12: BufReg.Flags

	RegisterSrcRegistered = 1 << 0 // 6.12: CloneBuffers.Flags
	RegisterDstReplace    = 1 << 1 // 6.13: CloneBuffers.Flags

	MemRegionTypeUser   = 1 << 0 // 6.13: MemRegionDesc.Flags
	MemRegionRegWaitArg = 1 << 0 // 6.13: MemRegionReg.Flags
	RegWaitTS           = 1 << 0 // 6.13: RegWait.Flags

	IOWQBound   = 0 // 5.15: index of RegisterIOWQMaxWorkers
	IOWQUnbound = 1 // 5.15: index of RegisterIOWQMaxWorkers

	NapiRegisterOp       = 0   // 6.13: NapiReg.Opcode
	NapiStaticAddID      = 1   // 6.13: NapiReg.Opcode
	NapiStaticDelID      = 2   // 6.13: NapiReg.Opcode
	NapiTrackingDynamic  = 0   // 6.13: NapiReg.OpParam
	NapiTrackingStatic   = 1   // 6.13: NapiReg.OpParam
	NapiTrackingInactive = 255 // 6.13: NapiReg.OpParam

	QueryOpcodes = 0 // 6.18: QueryHeader.QueryOp
)

// Restriction.Opcode.
const (
	RestrictionRegisterOp       = 0 // 5.10
	RestrictionSQEOp            = 1 // 5.10
	RestrictionSQEFlagsAllowed  = 2 // 5.10
	RestrictionSQEFlagsRequired = 3 // 5.10
	RestrictionLast             = 4 // 5.10
)

// SQE.Ioprio of the send and receive operations.
const (
	RecvsendPollFirst = 1 << 0 // 5.19
	RecvMultishot     = 1 << 1 // 6.0
	RecvsendFixedBuf  = 1 << 2 // 6.0
	SendZCReportUsage = 1 << 3 // 6.2
	RecvsendBundle    = 1 << 4 // 6.10
	SendVectorized    = 1 << 5 // 6.17
)

// NotifUsageZCCopied is a bit of CQE.Res, as a uint32, in the CQEFNotif entry
// of a send with SendZCReportUsage: data was copied after all.
const NotifUsageZCCopied = 1 << 31 // 6.2

// SQE.Ioprio of OpAccept.
const (
	AcceptMultishot = 1 << 0 // 5.19
	AcceptDontwait  = 1 << 1 // 6.10
	AcceptPollFirst = 1 << 2 // 6.10
)

// SQE.Len of OpPollAdd and, for the updates, of OpPollRemove.
const (
	PollAddMulti       = 1 << 0 // 5.13
	PollUpdateEvents   = 1 << 1 // 5.13
	PollUpdateUserData = 1 << 2 // 5.13
	PollAddLevel       = 1 << 3 // 6.0
)

// SQE.OpFlags of OpAsyncCancel, and SyncCancelReg.Flags.
const (
	AsyncCancelAll      = 1 << 0 // 5.19
	AsyncCancelFD       = 1 << 1 // 5.19
	AsyncCancelAny      = 1 << 2 // 5.19
	AsyncCancelFDFixed  = 1 << 3 // 6.0
	AsyncCancelUserdata = 1 << 4 // 6.6
	AsyncCancelOp       = 1 << 5 // 6.6
)

// SQE.OpFlags of OpTimeout, OpTimeoutRemove and OpLinkTimeout.
const (
	TimeoutAbs          = 1 << 0 // 5.5
	TimeoutUpdate       = 1 << 1 // 5.11
	TimeoutBoottime     = 1 << 2 // 5.15
	TimeoutRealtime     = 1 << 3 // 5.15
	LinkTimeoutUpdate   = 1 << 4 // 5.15
	TimeoutETIMESuccess = 1 << 5 // 5.16
	TimeoutMultishot    = 1 << 6 // 6.4

	TimeoutClockMask  = TimeoutBoottime | TimeoutRealtime // 5.15
	TimeoutUpdateMask = TimeoutUpdate | LinkTimeoutUpdate // 5.15
)

// SQE.OpFlags of further operations.
const (
	FsyncDatasync = 1 << 0 // 5.1: OpFsync

	SpliceFFDInFixed = 1 << 31 // 5.7: OpSplice and OpTee, beside the flags of splice(2)

	MsgRingCQESkip   = 1 << 0 // 6.0: OpMsgRing
	MsgRingFlagsPass = 1 << 1 // 6.3: OpMsgRing

	FixedFDNoCloexec = 1 << 0 // 6.8: OpFixedFDInstall

	UringCmdFixed     = 1 << 0                            // 6.1: OpUringCmd
	UringCmdMultishot = 1 << 1                            // 6.18: OpUringCmd
	UringCmdMask      = UringCmdFixed | UringCmdMultishot // 6.18: OpUringCmd
)

// SQE.OpFlags of OpNop. The result to inject is in SQE.Len.
const (
	NopInjectResult = 1 << 0 // 6.10
	NopFile         = 1 << 1 // 6.13
	NopFixedFile    = 1 << 2 // 6.13
	NopFixedBuffer  = 1 << 3 // 6.13
	NopTW           = 1 << 4 // 6.17
	NopCQE32        = 1 << 5 // 6.18
)

// SQE.Addr of OpMsgRing: what is sent.
const (
	MsgData   = 0 // 5.18, named in 6.0
	MsgSendFD = 1 // 6.0
)

// The command (cmd_op in SQE.Off) of OpUringCmd on a socket.
const (
	SocketUringOpSiocinq     = 0 // 6.6
	SocketUringOpSiocoutq    = 1 // 6.6
	SocketUringOpGetsockopt  = 2 // 6.7
	SocketUringOpSetsockopt  = 3 // 6.7
	SocketUringOpTxTimestamp = 4 // 6.17
)

// Zero-copy receive. The registration structs are not here: the interface
// still grows with every kernel.
const (
	ZcrxAreaShift  = 48           // 6.15: first bit of the area ID in an offset
	ZcrxAreaMask   = 0xffff << 48 // 6.15
	ZcrxAreaDmabuf = 1            // 6.16
)

// opcodes is the one table behind OpcodeName and OpcodeSince.
var opcodes = [OpLast]struct{ name, since string }{
	OpNop:            {"NOP", "5.1"},
	OpReadv:          {"READV", "5.1"},
	OpWritev:         {"WRITEV", "5.1"},
	OpFsync:          {"FSYNC", "5.1"},
	OpReadFixed:      {"READ_FIXED", "5.1"},
	OpWriteFixed:     {"WRITE_FIXED", "5.1"},
	OpPollAdd:        {"POLL_ADD", "5.1"},
	OpPollRemove:     {"POLL_REMOVE", "5.1"},
	OpSyncFileRange:  {"SYNC_FILE_RANGE", "5.2"},
	OpSendmsg:        {"SENDMSG", "5.3"},
	OpRecvmsg:        {"RECVMSG", "5.3"},
	OpTimeout:        {"TIMEOUT", "5.4"},
	OpTimeoutRemove:  {"TIMEOUT_REMOVE", "5.5"},
	OpAccept:         {"ACCEPT", "5.5"},
	OpAsyncCancel:    {"ASYNC_CANCEL", "5.5"},
	OpLinkTimeout:    {"LINK_TIMEOUT", "5.5"},
	OpConnect:        {"CONNECT", "5.5"},
	OpFallocate:      {"FALLOCATE", "5.6"},
	OpOpenat:         {"OPENAT", "5.6"},
	OpClose:          {"CLOSE", "5.6"},
	OpFilesUpdate:    {"FILES_UPDATE", "5.6"},
	OpStatx:          {"STATX", "5.6"},
	OpRead:           {"READ", "5.6"},
	OpWrite:          {"WRITE", "5.6"},
	OpFadvise:        {"FADVISE", "5.6"},
	OpMadvise:        {"MADVISE", "5.6"},
	OpSend:           {"SEND", "5.6"},
	OpRecv:           {"RECV", "5.6"},
	OpOpenat2:        {"OPENAT2", "5.6"},
	OpEpollCtl:       {"EPOLL_CTL", "5.6"},
	OpSplice:         {"SPLICE", "5.7"},
	OpProvideBuffers: {"PROVIDE_BUFFERS", "5.7"},
	OpRemoveBuffers:  {"REMOVE_BUFFERS", "5.7"},
	OpTee:            {"TEE", "5.8"},
	OpShutdown:       {"SHUTDOWN", "5.11"},
	OpRenameat:       {"RENAMEAT", "5.11"},
	OpUnlinkat:       {"UNLINKAT", "5.11"},
	OpMkdirat:        {"MKDIRAT", "5.15"},
	OpSymlinkat:      {"SYMLINKAT", "5.15"},
	OpLinkat:         {"LINKAT", "5.15"},
	OpMsgRing:        {"MSG_RING", "5.18"},
	OpFsetxattr:      {"FSETXATTR", "5.19"},
	OpSetxattr:       {"SETXATTR", "5.19"},
	OpFgetxattr:      {"FGETXATTR", "5.19"},
	OpGetxattr:       {"GETXATTR", "5.19"},
	OpSocket:         {"SOCKET", "5.19"},
	OpUringCmd:       {"URING_CMD", "5.19"},
	OpSendZC:         {"SEND_ZC", "6.0"},
	OpSendmsgZC:      {"SENDMSG_ZC", "6.1"},
	OpReadMultishot:  {"READ_MULTISHOT", "6.7"},
	OpWaitid:         {"WAITID", "6.7"},
	OpFutexWait:      {"FUTEX_WAIT", "6.7"},
	OpFutexWake:      {"FUTEX_WAKE", "6.7"},
	OpFutexWaitv:     {"FUTEX_WAITV", "6.7"},
	OpFixedFDInstall: {"FIXED_FD_INSTALL", "6.8"},
	OpFtruncate:      {"FTRUNCATE", "6.9"},
	OpBind:           {"BIND", "6.11"},
	OpListen:         {"LISTEN", "6.11"},
	OpRecvZC:         {"RECV_ZC", "6.15"},
	OpEpollWait:      {"EPOLL_WAIT", "6.15"},
	OpReadvFixed:     {"READV_FIXED", "6.15"},
	OpWritevFixed:    {"WRITEV_FIXED", "6.15"},
	OpPipe:           {"PIPE", "6.16"},
}

// OpcodeName returns the kernel's name of op without IORING_OP_, such as
// READ_MULTISHOT, and OP_<number> for opcodes newer than this file.
func OpcodeName(op uint8) string {
	if op >= OpLast {
		return "OP_" + strconv.Itoa(int(op))
	}
	return opcodes[op].name
}

// OpcodeSince returns the kernel version that brought op, such as 6.7, and ""
// for opcodes newer than this file.
func OpcodeSince(op uint8) string {
	if op >= OpLast {
		return ""
	}
	return opcodes[op].since
}
