//go:build !weir_portable

package coro

import (
	"testing"

	"github.com/weirgo/weir/aio"
)

// TestSnapshotOperation guards what is said of a task that waits for an operation.
func TestSnapshotOperation(t *testing.T) {
	io := open(t, aio.Options{})
	r := onSystem(t, Options{IO: io})
	rd, wr, err := io.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer wr.Close()
	defer rd.Close()
	Spawn(r.Scheduler, func(t *Task) (int, error) {
		return t.File(rd).Read(make([]byte, 9))
	}, Name("reader"))
	s := until(t, r.Scheduler, func(m map[string]TaskState) bool { return m["reader"].State == "waiting" })
	o := byName(s)["reader"]
	if o.Waits != "operation" || o.FD < 0 || o.Kind == "" {
		t.Errorf("reader: %+v", o)
	}
	if len(s.Loop.Operations) == 0 || s.Loop.Operations[0].FD != o.FD || s.Loop.Operations[0].Size != 9 {
		t.Errorf("operations of the loop: %+v", s.Loop)
	}
	if list := Schedulers(io); len(list) != 1 || list[0] != r.Scheduler {
		t.Errorf("schedulers of the IO: %v", list)
	}
	if list := Schedulers(nil); len(list) != 0 {
		t.Errorf("schedulers of no IO: %v", list)
	}
	wr.Write([]byte("x"))
}
