package backendtest

import (
	"testing"

	"github.com/weirgo/weir/backends"
)

// tried are the codes of which the suite that runs has submitted an operation.
var tried [backends.NumCodes]bool

// Run runs the suite. One at a time may run.
func Run(t *testing.T, env Env) {
	clear(tried[:])
	all := true
	for _, test := range []struct {
		name string
		run  func(*testing.T, Env)
	}{
		{"Nop", testNop},
		{"QueueFull", testQueueFull},
		{"SmallDst", testSmallDst},
		{"ManyReady", testManyReady},
		{"NoWait", testNoWait},
		{"Pending", testPending},
		{"SlotReuse", testSlotReuse},
		{"Counters", testCounters},

		{"ReadFile", testReadFile},
		{"WriteFile", testWriteFile},
		{"FilePosition", testFilePosition},
		{"ManyFileOps", testManyFileOps},
		{"Fsync", testFsync},
		{"Vectored", testVectored},
		{"TooManyBuffers", testTooManyBuffers},
		{"HugeBuffer", testHugeBuffer},
		{"Pipe", testPipe},
		{"EmptyTransfers", testEmptyTransfers},
		{"Backpressure", testBackpressure},
		{"BadDescriptor", testBadDescriptor},
		{"WrongKind", testWrongKind},

		{"Socket", testSocket},
		{"SocketFlags", testSocketFlags},
		{"Messages", testMessages},
		{"Packets", testPackets},
		{"Rights", testRights},
		{"Duplex", testDuplex},
		{"BlockingMode", testBlockingMode},
		{"Shutdown", testShutdown},
		{"Accept", testAccept},
		{"AcceptFlags", testAcceptFlags},
		{"ConnectErrors", testConnectErrors},
		{"Close", testClose},
		{"ClosePending", testClosePending},
		{"PollMasks", testPollMasks},
		{"PollHalfClosed", testPollHalfClosed},
		{"PollUrgent", testPollUrgent},

		{"MakeSocket", testMakeSocket},
		{"BindListen", testBindListen},
		{"SendZC", testSendZC},
		{"MakePipe", testMakePipe},
		{"Open", testOpen},
		{"OpenWaits", testOpenWaits},
		{"Stat", testStat},
		{"Names", testNames},
		{"Resize", testResize},
		{"Advise", testAdvise},
		{"Xattr", testXattr},
		{"Splice", testSplice},
		{"Waitid", testWaitid},
		{"Futex", testFutex},

		{"CancelPending", testCancelPending},
		{"CancelInBatch", testCancelInBatch},
		{"CancelOneOfMany", testCancelOneOfMany},
		{"CancelFinished", testCancelFinished},
		{"CancelUnknown", testCancelUnknown},
		{"CancelQueueFull", testCancelQueueFull},
		{"CancelRace", testCancelRace},
		{"CancelAcceptRace", testCancelAcceptRace},
		{"CancelPartial", testCancelPartial},

		{"MultiPoll", testMultiPoll},
		{"MultiPollHalfClosed", testMultiPollHalfClosed},
		{"MultiAccept", testMultiAccept},
		{"Overflow", testOverflow},
		{"OverflowMultiPoll", testOverflowMultiPoll},
		{"OverflowPollHalfClosed", testOverflowPollHalfClosed},
		{"OverflowMultiAccept", testOverflowMultiAccept},

		{"Deadline", testDeadline},
		{"DeadlinePast", testDeadlinePast},
		{"DeadlineInFlight", testDeadlineInFlight},
		{"WakeBefore", testWakeBefore},
		{"WakeBlocked", testWakeBlocked},
		{"WakeStorm", testWakeStorm},
		{"WakeWithEvents", testWakeWithEvents},
		{"WakeAfterOverflow", testWakeAfterOverflow},

		{"GarbageCollection", testGarbageCollection},
		{"CloseThenWake", testCloseThenWake},
		{"PollFD", testPollFD},
		{"PollFDHalfClosed", testPollFDHalfClosed},
		{"Alarm", testAlarm},
	} {
		ran := false
		t.Run(test.name, func(t *testing.T) { ran = true; test.run(t, env) })
		all = all && ran
	}
	for code := range backends.Code(backends.NumCodes) {
		if all && !tried[code] && !code.OfLoop() {
			t.Errorf("the suite does not know %v", code)
		}
	}
}
