//go:build linux

package guide_test

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/weirgo/weir/aio"
)

// list writes what the loops of an IO are doing.
func list(w io.Writer, weir *aio.IO) {
	s := weir.Snapshot(aio.SnapshotOptions{})
	for _, l := range s.Loops {
		fmt.Fprintln(w, l.Backend, l.Drive, l.State, l.InFlight)
		for _, o := range l.Operations {
			fmt.Fprintln(w, " ", o.Kind, o.State, o.FD, o.File, o.Peer, o.Size, o.Age, o.Waiter)
		}
	}
}

// TestSnapshot: a read whose peer is silent is in the list until it has its data.
func TestSnapshot(t *testing.T) {
	weir := open(t)
	r, w, err := weir.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	defer w.Close()
	over := make(chan error)
	go func() { _, err := r.Read(make([]byte, 77)); over <- err }()
	var text bytes.Buffer
	for end := time.Now().Add(time.Minute); !strings.Contains(text.String(), " 77 "); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("the read is not in the list:\n%s", &text)
		}
		text.Reset()
		list(&text, weir)
	}
	if !strings.Contains(text.String(), " pipe:[") {
		if _, err := os.Stat("/proc/self/fd"); err == nil {
			t.Errorf("the list does not say that the descriptor is a pipe:\n%s", &text)
		}
	}
	w.Write([]byte("x"))
	if err := <-over; err != nil {
		t.Error(err)
	}
}
