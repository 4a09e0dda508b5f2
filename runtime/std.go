package runtime

// The only file that imports the standard library's runtime package.
import stdruntime "runtime"

func yield()                   { stdruntime.Gosched() }
func procs() int               { return stdruntime.GOMAXPROCS(0) }
func lockThread()              { stdruntime.LockOSThread() }
func unlockThread()            { stdruntime.UnlockOSThread() }
func osArch() (string, string) { return stdruntime.GOOS, stdruntime.GOARCH }
