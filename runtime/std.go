package runtime

// The only file that imports the standard library's runtime package.
import (
	stdruntime "runtime"
	"runtime/debug"
)

func yield()                   { stdruntime.Gosched() }
func stack() string            { return string(debug.Stack()) }
func procs() int               { return stdruntime.GOMAXPROCS(0) }
func lockThread()              { stdruntime.LockOSThread() }
func unlockThread()            { stdruntime.UnlockOSThread() }
func osArch() (string, string) { return stdruntime.GOOS, stdruntime.GOARCH }
