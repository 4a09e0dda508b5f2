package aio

import aiort "github.com/weirgo/weir/runtime"

// Snapshot is what an IO is doing: see aiort.Snapshot.
type Snapshot = aiort.Snapshot

// SnapshotOptions say how much a snapshot looks at: see aiort.SnapshotOptions.
type SnapshotOptions = aiort.SnapshotOptions

// Snapshot lists what the loops are doing, with every operation in flight: what it is, on which
// descriptor, for how long. Calls that their goroutines perform without a loop are not among them.
// Any goroutine may call it, also during Shutdown and after it. It waits for at most
// [SnapshotOptions].Wait; a loop that has not answered by then is called stuck. It shows nothing of
// what buffers hold.
func (io *IO) Snapshot(o SnapshotOptions) Snapshot { return io.running().Snapshot(o) }
