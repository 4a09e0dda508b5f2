package op

import (
	"os"
	"path/filepath"
	"strconv"

	"github.com/weirgo/weir/backends"
	"github.com/weirgo/weir/internal/sys"
)

// tell tells go test which file o, which is about to be submitted, opens or looks at.
func (o *Op) tell() {
	switch {
	case !sys.Tested:
	case o.c.Op.Code == backends.OpOpen:
		sys.LogOpen(o.path())
	case o.c.Op.Code == backends.OpStatx:
		sys.LogStat(o.path())
	}
}

// path returns the name that an Open or Statx works on, preceded by that of its directory, if it
// has one.
func (o *Op) path() string {
	op, dir := &o.c.Op, ""
	name := op.Args.Path.String()
	switch {
	case filepath.IsAbs(name):
	case o.source != nil && o.source.c.Op.Code == backends.OpOpen:
		dir = o.source.path()
	case op.FD != CWD:
		dir, _ = os.Readlink("/proc/self/fd/" + strconv.Itoa(op.FD))
	}
	return filepath.Join(dir, name)
}
