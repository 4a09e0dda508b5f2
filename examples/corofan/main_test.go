//go:build linux

package main

import (
	"fmt"
	"io"
	"net"
	"strings"
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// server accepts connections and calls f for each; nil: says nothing.
func server(t *testing.T, f func(net.Conn)) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ln.Close() })
	go func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			t.Cleanup(func() { c.Close() })
			if f != nil {
				f(c)
			}
		}
	}()
	return ln.Addr().String()
}

// Answers come in the order of the arguments. A host that does not answer is ended by its own time
// limit, and does not end the others.
func TestFan(t *testing.T) {
	var args, want []string
	for i := range 10 {
		args = append(args, server(t, func(c net.Conn) { fmt.Fprintf(c, "answer %d\nmore", i) }))
		want = append(want, fmt.Sprintf("%s: answer %d\n", args[i], i))
	}
	silent := server(t, nil)
	args = append(append([]string{"-timeout", "300ms"}, args...), silent)
	var out strings.Builder
	if err := run(t.Context(), args, &out); err != nil {
		t.Fatal(err)
	}
	if got, want := out.String(), strings.Join(want, "")+silent+": coro: timeout\n"; got != want {
		t.Errorf("printed\n%swant\n%s", got, want)
	}
}

func TestNobody(t *testing.T) {
	if err := run(t.Context(), []string{"-timeout", "50ms", server(t, nil), "127.0.0.1:1"}, io.Discard); err == nil ||
		err.Error() != "nobody answered" {
		t.Error(err)
	}
	if err := run(t.Context(), []string{"-x"}, io.Discard); err == nil {
		t.Error("a flag that does not exist was taken")
	}
}
