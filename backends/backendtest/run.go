package backendtest

import "testing"

// Run runs the suite.
func Run(t *testing.T, env Env) {
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
		{"MultiAccept", testMultiAccept},
		{"Overflow", testOverflow},
		{"OverflowMultiPoll", testOverflowMultiPoll},
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
		{"Alarm", testAlarm},
	} {
		t.Run(test.name, func(t *testing.T) { test.run(t, env) })
	}
}
