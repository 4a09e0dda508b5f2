//go:build giouring && linux

package uring

import (
	"fmt"
	"syscall"
	"testing"
	"unsafe"

	"github.com/pawelgaczynski/giouring"
	"golang.org/x/sys/unix"

	"github.com/weirgo/weir/internal/sys"
)

// oracle is how giouring prepares the entries of the table in encodings, or why it is no help with
// one.
type oracle struct {
	prepare func(e *giouring.SubmissionQueueEntry)
	wrong   string
}

func oracles(m *material) map[string]oracle {
	type entry = giouring.SubmissionQueueEntry
	buf := uintptr(unsafe.Pointer(&m.buf[0]))
	iov := uintptr(unsafe.Pointer(unsafe.SliceData(m.scratch().iov)))
	msg := (*syscall.Msghdr)(unsafe.Pointer(&m.scratch().msg))
	name, nameLen := uintptr(unsafe.Pointer(&m.addr.Data)), uint64(uintptr(unsafe.Pointer(&m.addr.Len)))
	path1 := uintptr(unsafe.Pointer(&m.args.Path[0]))
	const (
		noneYet = "giouring is older than the operation"
		headers = "giouring passes the address of a slice header for a name"

		fd     = testFD
		stream = ^uint64(0)
	)
	right := func(prepare func(e *entry)) oracle { return oracle{prepare: prepare} }
	return map[string]oracle{
		"nop":         right(func(e *entry) { e.PrepareNop() }),
		"read":        right(func(e *entry) { e.PrepareRead(fd, buf, 1000, testOff) }),
		"read stream": right(func(e *entry) { e.PrepareRead(fd, buf, 1000, stream) }),
		"read flags":  right(func(e *entry) { e.PrepareRead(fd, buf, 1000, testOff); e.OpcodeFlags = 8 }),
		"write":       right(func(e *entry) { e.PrepareWrite(fd, buf, 1000, testOff) }),
		"write flags": right(func(e *entry) { e.PrepareWrite(fd, buf, 1000, testOff); e.OpcodeFlags = 2 }),
		"readv":       right(func(e *entry) { e.PrepareReadv2(fd, iov, 2, testOff, 8) }),
		"writev":      right(func(e *entry) { e.PrepareWritev2(fd, iov, 2, testOff, 2) }),
		"recv":        right(func(e *entry) { e.PrepareRecv(fd, buf, 1000, syscall.MSG_WAITALL) }),
		"send": right(func(e *entry) {
			e.PrepareSend(fd, buf, 1000,
				0x8000|syscall.MSG_NOSIGNAL|syscall.MSG_DONTWAIT)
		}),
		"recvmsg": right(func(e *entry) { e.PrepareRecvMsg(fd, msg, syscall.MSG_PEEK) }),
		"sendmsg": right(func(e *entry) {
			e.PrepareSendMsg(fd, msg,
				0x8000|syscall.MSG_NOSIGNAL|syscall.MSG_DONTWAIT)
		}),
		"accept":           right(func(e *entry) { e.PrepareAccept(fd, name, nameLen, syscall.SOCK_CLOEXEC) }),
		"accept anonymous": right(func(e *entry) { e.PrepareAccept(fd, 0, 0, syscall.SOCK_NONBLOCK) }),
		"accept multishot": right(func(e *entry) { e.PrepareMultishotAccept(fd, 0, 0, syscall.SOCK_CLOEXEC) }),
		"connect": {wrong: "PrepareConnect takes a *syscall.Sockaddr, the address of a Go interface value, " +
			"where the kernel reads a struct sockaddr"},
		"poll":           right(func(e *entry) { e.PreparePollAdd(fd, pollMask(0x2001)) }),
		"poll multishot": right(func(e *entry) { e.PreparePollMultishot(fd, pollMask(4)) }),
		"shutdown":       right(func(e *entry) { e.PrepareShutdown(fd, syscall.SHUT_RDWR) }),
		"fsync":          right(func(e *entry) { e.PrepareFsync(fd, 0) }),
		"fdatasync":      right(func(e *entry) { e.PrepareFsync(fd, giouring.FsyncDatasync) }),
		"close":          right(func(e *entry) { e.PrepareClose(fd) }),

		"socket": right(func(e *entry) {
			e.PrepareSocket(unix.AF_INET6, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, unix.IPPROTO_TCP, 0)
		}),
		"bind":    {wrong: noneYet},
		"listen":  {wrong: noneYet},
		"send_zc": {wrong: "PrepareSendZC takes the address of the slice header"},
		"sendmsg_zc": right(func(e *entry) {
			e.PrepareSendmsgZC(fd, msg,
				0x8000|syscall.MSG_NOSIGNAL|syscall.MSG_DONTWAIT)
		}),
		"open":          {wrong: headers},
		"open nonblock": {wrong: headers},
		"openat2":       {wrong: headers},
		"statx":         {wrong: headers},
		"rename":        {wrong: headers},
		"unlink":        right(func(e *entry) { e.PrepareUnlinkat(fd, path1, unix.AT_REMOVEDIR) }),
		"mkdir":         {wrong: headers},
		"symlink":       {wrong: headers},
		"link":          {wrong: headers},
		"fallocate":     right(func(e *entry) { e.PrepareFallocate(fd, unix.FALLOC_FL_KEEP_SIZE, testOff, 700) }),
		"fadvise":       right(func(e *entry) { e.PrepareFadvise(fd, testOff, 700, unix.FADV_RANDOM) }),
		"fadvise long":  {wrong: noneYet},
		"ftruncate":     {wrong: noneYet},
		"sync_file_range": right(func(e *entry) {
			e.PrepareSyncFileRange(fd, 700, testOff, unix.SYNC_FILE_RANGE_WRITE)
		}),
		"splice":     right(func(e *entry) { e.PrepareSplice(88, 6, fd, testOff, 700, unix.SPLICE_F_NONBLOCK) }),
		"tee":        right(func(e *entry) { e.PrepareTee(88, fd, 700, unix.SPLICE_F_NONBLOCK) }),
		"getxattr":   {wrong: headers},
		"fgetxattr":  {wrong: headers},
		"setxattr":   {wrong: headers},
		"fsetxattr":  {wrong: headers},
		"pipe":       {wrong: noneYet},
		"waitid":     {wrong: noneYet},
		"futex_wait": {wrong: noneYet},
		"futex_wake": {wrong: noneYet},

		"wake":   right(func(e *entry) { e.PreparePollMultishot(fd, pollMask(1<<31|1)) }),
		"cancel": right(func(e *entry) { e.PrepareCancel64(uint64(testID), 0) }),
	}
}

// Two independent encoders agree on all 64 bytes.
func TestOracle(t *testing.T) {
	m := newMaterial()
	table := encodings(m)
	theirs := oracles(m)
	compared := 0
	for _, enc := range table {
		o, ok := theirs[enc.name]
		if !ok {
			t.Errorf("%s: giouring is not asked", enc.name)
			continue
		}
		delete(theirs, enc.name)
		want := enc.want
		if o.wrong != "" {
			t.Logf("%s: compared with what liburing does, since %s", enc.name, o.wrong)
		} else {
			var e giouring.SubmissionQueueEntry // zero: giouring clears only some of its fields
			o.prepare(&e)
			e.UserData = enc.want.UserData // which is the caller's to set
			want = *(*sys.SQE)(unsafe.Pointer(&e))
			compared++
		}
		var got sys.SQE
		enc.encode(&got)
		if bytesOf(&got) != bytesOf(&want) {
			t.Errorf("%s:\n   weir %+v\ngiouring %+v", enc.name, got, want)
		}
	}
	for name := range theirs {
		t.Errorf("%s: giouring is asked for what is not in the table", name)
	}
	t.Logf("%d of %d entries compared with giouring's", compared, len(table))
}

// What giouring is said to do wrong it still does: otherwise it can be asked.
func TestOracleWrong(t *testing.T) {
	e := giouring.SubmissionQueueEntry{OpcodeFlags: 5, Addr3: 6}
	if e.PrepareNop(); e.OpcodeFlags == 0 && e.Addr3 == 0 {
		t.Error("PrepareNop clears the entry")
	}
	var addr syscall.Sockaddr
	if e.PrepareConnect(1, &addr, 16); e.Addr != uint64(uintptr(unsafe.Pointer(&addr))) {
		t.Error("PrepareConnect no longer passes the address of an interface")
	}
}

// The numbers that both know.
func TestOracleConstants(t *testing.T) {
	for _, tt := range []struct {
		name         string
		ours, theirs any
	}{
		{"OpNop", sys.OpNop, giouring.OpNop},
		{"OpReadv", sys.OpReadv, giouring.OpReadv},
		{"OpWritev", sys.OpWritev, giouring.OpWritev},
		{"OpFsync", sys.OpFsync, giouring.OpFsync},
		{"OpReadFixed", sys.OpReadFixed, giouring.OpReadFixed},
		{"OpWriteFixed", sys.OpWriteFixed, giouring.OpWriteFixed},
		{"OpPollAdd", sys.OpPollAdd, giouring.OpPollAdd},
		{"OpPollRemove", sys.OpPollRemove, giouring.OpPollRemove},
		{"OpSyncFileRange", sys.OpSyncFileRange, giouring.OpSyncFileRange},
		{"OpSendmsg", sys.OpSendmsg, giouring.OpSendmsg},
		{"OpRecvmsg", sys.OpRecvmsg, giouring.OpRecvmsg},
		{"OpTimeout", sys.OpTimeout, giouring.OpTimeout},
		{"OpTimeoutRemove", sys.OpTimeoutRemove, giouring.OpTimeoutRemove},
		{"OpAccept", sys.OpAccept, giouring.OpAccept},
		{"OpAsyncCancel", sys.OpAsyncCancel, giouring.OpAsyncCancel},
		{"OpLinkTimeout", sys.OpLinkTimeout, giouring.OpLinkTimeout},
		{"OpConnect", sys.OpConnect, giouring.OpConnect},
		{"OpFallocate", sys.OpFallocate, giouring.OpFallocate},
		{"OpOpenat", sys.OpOpenat, giouring.OpOpenat},
		{"OpClose", sys.OpClose, giouring.OpClose},
		{"OpFilesUpdate", sys.OpFilesUpdate, giouring.OpFilesUpdate},
		{"OpStatx", sys.OpStatx, giouring.OpStatx},
		{"OpRead", sys.OpRead, giouring.OpRead},
		{"OpWrite", sys.OpWrite, giouring.OpWrite},
		{"OpFadvise", sys.OpFadvise, giouring.OpFadvise},
		{"OpMadvise", sys.OpMadvise, giouring.OpMadvise},
		{"OpSend", sys.OpSend, giouring.OpSend},
		{"OpRecv", sys.OpRecv, giouring.OpRecv},
		{"OpOpenat2", sys.OpOpenat2, giouring.OpOpenat2},
		{"OpEpollCtl", sys.OpEpollCtl, giouring.OpEpollCtl},
		{"OpSplice", sys.OpSplice, giouring.OpSplice},
		{"OpProvideBuffers", sys.OpProvideBuffers, giouring.OpProvideBuffers},
		{"OpRemoveBuffers", sys.OpRemoveBuffers, giouring.OpRemoveBuffers},
		{"OpTee", sys.OpTee, giouring.OpTee},
		{"OpShutdown", sys.OpShutdown, giouring.OpShutdown},
		{"OpRenameat", sys.OpRenameat, giouring.OpRenameat},
		{"OpUnlinkat", sys.OpUnlinkat, giouring.OpUnlinkat},
		{"OpMkdirat", sys.OpMkdirat, giouring.OpMkdirat},
		{"OpSymlinkat", sys.OpSymlinkat, giouring.OpSymlinkat},
		{"OpLinkat", sys.OpLinkat, giouring.OpLinkat},
		{"OpMsgRing", sys.OpMsgRing, giouring.OpMsgRing},
		{"OpFsetxattr", sys.OpFsetxattr, giouring.OpFsetxattr},
		{"OpSetxattr", sys.OpSetxattr, giouring.OpSetxattr},
		{"OpFgetxattr", sys.OpFgetxattr, giouring.OpFgetxattr},
		{"OpGetxattr", sys.OpGetxattr, giouring.OpGetxattr},
		{"OpSocket", sys.OpSocket, giouring.OpSocket},
		{"OpUringCmd", sys.OpUringCmd, giouring.OpUringCmd},
		{"OpSendZC", sys.OpSendZC, giouring.OpSendZC},
		{"OpSendmsgZC", sys.OpSendmsgZC, giouring.OpSendMsgZC},
		{"SetupIOPoll", sys.SetupIOPoll, giouring.SetupIOPoll},
		{"SetupSQPoll", sys.SetupSQPoll, giouring.SetupSQPoll},
		{"SetupSQAff", sys.SetupSQAff, giouring.SetupSQAff},
		{"SetupCQSize", sys.SetupCQSize, giouring.SetupCQSize},
		{"SetupClamp", sys.SetupClamp, giouring.SetupClamp},
		{"SetupAttachWQ", sys.SetupAttachWQ, giouring.SetupAttachWQ},
		{"SetupRDisabled", sys.SetupRDisabled, giouring.SetupRDisabled},
		{"SetupSubmitAll", sys.SetupSubmitAll, giouring.SetupSubmitAll},
		{"SetupCoopTaskrun", sys.SetupCoopTaskrun, giouring.SetupCoopTaskrun},
		{"SetupTaskrunFlag", sys.SetupTaskrunFlag, giouring.SetupTaskrunFlag},
		{"SetupSQE128", sys.SetupSQE128, giouring.SetupSQE128},
		{"SetupCQE32", sys.SetupCQE32, giouring.SetupCQE32},
		{"SetupSingleIssuer", sys.SetupSingleIssuer, giouring.SetupSingleIssuer},
		{"SetupDeferTaskrun", sys.SetupDeferTaskrun, giouring.SetupDeferTaskrun},
		{"SetupNoMmap", sys.SetupNoMmap, giouring.SetupNoMmap},
		{"SetupRegisteredFDOnly", sys.SetupRegisteredFDOnly, giouring.SetupRegisteredFdOnly},
		{"FeatSingleMmap", sys.FeatSingleMmap, giouring.FeatSingleMMap},
		{"FeatNoDrop", sys.FeatNoDrop, giouring.FeatNoDrop},
		{"FeatSubmitStable", sys.FeatSubmitStable, giouring.FeatSubmitStable},
		{"FeatRWCurPos", sys.FeatRWCurPos, giouring.FeatRWCurPos},
		{"FeatCurPersonality", sys.FeatCurPersonality, giouring.FeatCurPersonality},
		{"FeatFastPoll", sys.FeatFastPoll, giouring.FeatFastPoll},
		{"FeatPoll32Bits", sys.FeatPoll32Bits, giouring.FeatPoll32Bits},
		{"FeatSQPollNonfixed", sys.FeatSQPollNonfixed, giouring.FeatSQPollNonfixed},
		{"FeatExtArg", sys.FeatExtArg, giouring.FeatExtArg},
		{"FeatNativeWorkers", sys.FeatNativeWorkers, giouring.FeatNativeWorkers},
		{"FeatRsrcTags", sys.FeatRsrcTags, giouring.FeatRcrcTags},
		{"FeatCQESkip", sys.FeatCQESkip, giouring.FeatCQESkip},
		{"FeatLinkedFile", sys.FeatLinkedFile, giouring.FeatLinkedFile},
		{"FeatRegRegRing", sys.FeatRegRegRing, giouring.FeatRegRegRing},
		{"SQEFixedFile", sys.SQEFixedFile, giouring.SqeFixedFile},
		{"SQEIODrain", sys.SQEIODrain, giouring.SqeIODrain},
		{"SQEIOLink", sys.SQEIOLink, giouring.SqeIOLink},
		{"SQEIOHardlink", sys.SQEIOHardlink, giouring.SqeIOHardlink},
		{"SQEAsync", sys.SQEAsync, giouring.SqeAsync},
		{"SQEBufferSelect", sys.SQEBufferSelect, giouring.SqeBufferSelect},
		{"SQECQESkipSuccess", sys.SQECQESkipSuccess, giouring.SqeCQESkipSuccess},
		{"EnterGetEvents", sys.EnterGetEvents, giouring.EnterGetEvents},
		{"EnterSQWakeup", sys.EnterSQWakeup, giouring.EnterSQWakeup},
		{"EnterSQWait", sys.EnterSQWait, giouring.EnterSQWait},
		{"EnterExtArg", sys.EnterExtArg, giouring.EnterExtArg},
		{"EnterRegisteredRing", sys.EnterRegisteredRing, giouring.EnterRegisteredRing},
		{"SQNeedWakeup", sys.SQNeedWakeup, giouring.SQNeedWakeup},
		{"SQCQOverflow", sys.SQCQOverflow, giouring.SQCQOverflow},
		{"SQTaskrun", sys.SQTaskrun, giouring.SQTaskrun},
		{"CQEventfdDisabled", sys.CQEventfdDisabled, giouring.CQEventFdDisabled},
		{"CQEFBuffer", sys.CQEFBuffer, giouring.CQEFBuffer},
		{"CQEFMore", sys.CQEFMore, giouring.CQEFMore},
		{"CQEFSockNonempty", sys.CQEFSockNonempty, giouring.CQEFSockNonempty},
		{"CQEFNotif", sys.CQEFNotif, giouring.CQEFNotif},
		{"CQEBufferShift", sys.CQEBufferShift, giouring.CQEBufferShift},
		{"PollAddMulti", sys.PollAddMulti, giouring.PollAddMulti},
		{"PollUpdateEvents", sys.PollUpdateEvents, giouring.PollUpdateEvents},
		{"PollUpdateUserData", sys.PollUpdateUserData, giouring.PollUpdateUserData},
		{"PollAddLevel", sys.PollAddLevel, giouring.PollAddLevel},
		{"AsyncCancelAll", sys.AsyncCancelAll, giouring.AsyncCancelAll},
		{"AsyncCancelFD", sys.AsyncCancelFD, giouring.AsyncCancelFd},
		{"AsyncCancelAny", sys.AsyncCancelAny, giouring.AsyncCancelAny},
		{"AsyncCancelFDFixed", sys.AsyncCancelFDFixed, giouring.AsyncCancelFdFixed},
		{"TimeoutAbs", sys.TimeoutAbs, giouring.TimeoutAbs},
		{"TimeoutUpdate", sys.TimeoutUpdate, giouring.TimeoutUpdate},
		{"TimeoutBoottime", sys.TimeoutBoottime, giouring.TimeoutBoottime},
		{"TimeoutRealtime", sys.TimeoutRealtime, giouring.TimeoutRealtime},
		{"LinkTimeoutUpdate", sys.LinkTimeoutUpdate, giouring.LinkTimeoutUpdate},
		{"TimeoutETIMESuccess", sys.TimeoutETIMESuccess, giouring.TimeoutETimeSuccess},
		{"TimeoutMultishot", sys.TimeoutMultishot, giouring.TimeoutMultishot},
		{"FsyncDatasync", sys.FsyncDatasync, giouring.FsyncDatasync},
		{"SpliceFFDInFixed", sys.SpliceFFDInFixed, giouring.SpliceFFdInFixed},
		{"RecvsendPollFirst", sys.RecvsendPollFirst, giouring.RecvsendPollFirst},
		{"RecvMultishot", sys.RecvMultishot, giouring.RecvMultishot},
		{"RecvsendFixedBuf", sys.RecvsendFixedBuf, giouring.RecvsendFixedBuf},
		{"SendZCReportUsage", sys.SendZCReportUsage, giouring.SendZCReportUsage},
		{"NotifUsageZCCopied", sys.NotifUsageZCCopied, giouring.NotifUsageZCCopied},
		{"AcceptMultishot", sys.AcceptMultishot, giouring.AcceptMultishot},
		{"MsgData", sys.MsgData, giouring.MsgData},
		{"MsgSendFD", sys.MsgSendFD, giouring.MsgSendFd},
		{"MsgRingCQESkip", sys.MsgRingCQESkip, giouring.MsgRingCQESkip},
		{"MsgRingFlagsPass", sys.MsgRingFlagsPass, giouring.MsgRingFlagsPass},
		{"UringCmdFixed", sys.UringCmdFixed, giouring.UringCmdFixed},

		{"RegisterBuffers", sys.RegisterBuffers, giouring.RegisterBuffers},
		{"UnregisterBuffers", sys.UnregisterBuffers, giouring.UnregisterBuffers},
		{"RegisterFiles", sys.RegisterFiles, giouring.RegisterFiles},
		{"UnregisterFiles", sys.UnregisterFiles, giouring.UnregisterFiles},
		{"RegisterEventfd", sys.RegisterEventfd, giouring.RegisterEventFD},
		{"UnregisterEventfd", sys.UnregisterEventfd, giouring.UnregisterEventFD},
		{"RegisterFilesUpdate", sys.RegisterFilesUpdate, giouring.RegisterFilesUpdate},
		{"RegisterEventfdAsync", sys.RegisterEventfdAsync, giouring.RegisterEventFDAsync},
		{"RegisterProbe", sys.RegisterProbe, giouring.RegisterProbe},
		{"RegisterPersonality", sys.RegisterPersonality, giouring.RegisterPersonality},
		{"UnregisterPersonality", sys.UnregisterPersonality, giouring.UnregisterPersonality},
		{"RegisterRestrictions", sys.RegisterRestrictions, giouring.RegisterRestrictions},
		{"RegisterEnableRings", sys.RegisterEnableRings, giouring.RegisterEnableRings},
		{"RegisterFiles2", sys.RegisterFiles2, giouring.RegisterFiles2},
		{"RegisterFilesUpdate2", sys.RegisterFilesUpdate2, giouring.RegisterFilesUpdate2},
		{"RegisterBuffers2", sys.RegisterBuffers2, giouring.RegisterBuffers2},
		{"RegisterBuffersUpdate", sys.RegisterBuffersUpdate, giouring.RegisterBuffersUpdate},
		{"RegisterIOWQAff", sys.RegisterIOWQAff, giouring.RegisterIOWQAff},
		{"UnregisterIOWQAff", sys.UnregisterIOWQAff, giouring.UnregisterIOWQAff},
		{"RegisterIOWQMaxWorkers", sys.RegisterIOWQMaxWorkers, giouring.RegisterIOWQMaxWorkers},
		{"RegisterRingFDs", sys.RegisterRingFDs, giouring.RegisterRingFDs},
		{"UnregisterRingFDs", sys.UnregisterRingFDs, giouring.UnregisterRingFDs},
		{"RegisterPbufRing", sys.RegisterPbufRing, giouring.RegisterPbufRing},
		{"UnregisterPbufRing", sys.UnregisterPbufRing, giouring.UnregisterPbufRing},
		{"RegisterSyncCancel", sys.RegisterSyncCancel, giouring.RegisterSyncCancel},
		{"RegisterFileAllocRange", sys.RegisterFileAllocRange, giouring.RegisterFileAllocRange},
		{"RegisterUseRegisteredRing", sys.RegisterUseRegisteredRing, giouring.RegisterUseRegisteredRing},
		{"RegisterFilesSkip", sys.RegisterFilesSkip, giouring.RegisterFilesSkip},
		{"RsrcRegisterSparse", sys.RsrcRegisterSparse, giouring.RsrcRegisterSparse},
		{"RestrictionRegisterOp", sys.RestrictionRegisterOp, giouring.RestrictionRegisterOp},
		{"IOWQBound", sys.IOWQBound, giouring.IOWQBound},
		{"IOWQUnbound", sys.IOWQUnbound, giouring.IOWQUnbound},
	} {
		if fmt.Sprint(tt.ours) != fmt.Sprint(tt.theirs) { // they have different types
			t.Errorf("%s is %v, giouring's %v", tt.name, tt.ours, tt.theirs)
		}
	}
	if a, b := unsafe.Sizeof(sys.SQE{}), unsafe.Sizeof(giouring.SubmissionQueueEntry{}); a != b {
		t.Errorf("an entry has %d bytes, giouring's %d", a, b)
	}
	if a, b := unsafe.Sizeof(sys.Params{}), unsafe.Sizeof(giouring.Params{}); a != b {
		t.Errorf("the parameters have %d bytes, giouring's %d", a, b)
	}
	var e giouring.SubmissionQueueEntry
	var c giouring.CompletionQueueEvent
	for _, tt := range []struct {
		name         string
		ours, theirs uintptr
	}{
		{"SQE.Ioprio", unsafe.Offsetof(sys.SQE{}.Ioprio), unsafe.Offsetof(e.IoPrio)},
		{"SQE.Fd", unsafe.Offsetof(sys.SQE{}.Fd), unsafe.Offsetof(e.Fd)},
		{"SQE.Off", unsafe.Offsetof(sys.SQE{}.Off), unsafe.Offsetof(e.Off)},
		{"SQE.Addr", unsafe.Offsetof(sys.SQE{}.Addr), unsafe.Offsetof(e.Addr)},
		{"SQE.Len", unsafe.Offsetof(sys.SQE{}.Len), unsafe.Offsetof(e.Len)},
		{"SQE.OpFlags", unsafe.Offsetof(sys.SQE{}.OpFlags), unsafe.Offsetof(e.OpcodeFlags)},
		{"SQE.UserData", unsafe.Offsetof(sys.SQE{}.UserData), unsafe.Offsetof(e.UserData)},
		{"SQE.BufIndex", unsafe.Offsetof(sys.SQE{}.BufIndex), unsafe.Offsetof(e.BufIG)},
		{"SQE.Personality", unsafe.Offsetof(sys.SQE{}.Personality), unsafe.Offsetof(e.Personality)},
		{"SQE.SpliceFdIn", unsafe.Offsetof(sys.SQE{}.SpliceFdIn), unsafe.Offsetof(e.SpliceFdIn)},
		{"SQE.Addr3", unsafe.Offsetof(sys.SQE{}.Addr3), unsafe.Offsetof(e.Addr3)},
		{"CQE.UserData", unsafe.Offsetof(sys.CQE{}.UserData), unsafe.Offsetof(c.UserData)},
		{"CQE.Res", unsafe.Offsetof(sys.CQE{}.Res), unsafe.Offsetof(c.Res)},
		{"CQE.Flags", unsafe.Offsetof(sys.CQE{}.Flags), unsafe.Offsetof(c.Flags)},
	} {
		if tt.ours != tt.theirs {
			t.Errorf("%s is at %d, giouring's at %d", tt.name, tt.ours, tt.theirs)
		}
	}
}
