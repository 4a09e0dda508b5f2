//go:build !weir_portable

package aio_test

import (
	"errors"
	"fmt"
	"net"
	"reflect"
	"strings"
	"syscall"
	"testing"

	"github.com/weirgo/weir/aio"
)

// TestNilLikeNet: each method of a connection or listener that is nil, or the zero value, returns
// what that of package net returns, and panics where that panics. Zero values that package net does
// not see through may be an error too.
func TestNilLikeNet(t *testing.T) {
	for _, pair := range [][2]any{
		{(*net.TCPConn)(nil), (*aio.TCPConn)(nil)}, {new(net.TCPConn), new(aio.TCPConn)},
		{(*net.UDPConn)(nil), (*aio.UDPConn)(nil)}, {new(net.UDPConn), new(aio.UDPConn)},
		{(*net.IPConn)(nil), (*aio.IPConn)(nil)}, {new(net.IPConn), new(aio.IPConn)},
		{(*net.UnixConn)(nil), (*aio.UnixConn)(nil)}, {new(net.UnixConn), new(aio.UnixConn)},
		{(*net.TCPListener)(nil), (*aio.TCPListener)(nil)}, {new(net.TCPListener), new(aio.TCPListener)},
		{(*net.UnixListener)(nil), (*aio.UnixListener)(nil)}, {new(net.UnixListener), new(aio.UnixListener)},
	} {
		std, weir := reflect.ValueOf(pair[0]), reflect.ValueOf(pair[1])
		for i := range std.NumMethod() {
			name := std.Type().Method(i).Name
			m := weir.MethodByName(name)
			if !m.IsValid() {
				t.Errorf("%T has no %s", pair[1], name)
				continue
			}
			want, got := outcome(t, name, std.Method(i)), outcome(t, name, m)
			if got != want && (weir.IsNil() || want != "panic" || got == "") {
				t.Errorf("%T (nil: %v).%s: %s, want %s", pair[1], weir.IsNil(), name, got, want)
			}
		}
		for i := range weir.NumMethod() {
			name := weir.Type().Method(i).Name
			if std.MethodByName(name).IsValid() || name == "Accepts" { // which is below
				continue
			}
			got := outcome(t, name, weir.Method(i))
			promoted := weir.IsNil() && got == "panic" // as Read of a nil *net.TCPConn
			_, listener := pair[0].(interface{ Accept() (net.Conn, error) })
			if !strings.Contains(got, "invalid argument") && (listener || !promoted) {
				t.Errorf("%T (nil: %v).%s: %s, want EINVAL", pair[1], weir.IsNil(), name, got)
			}
		}
	}
}

// TestNilAccepts: Accepts of what does not listen has one error.
func TestNilAccepts(t *testing.T) {
	var got []error
	for _, l := range []*aio.TCPListener{nil, {}} {
		for _, err := range l.Accepts(t.Context()) {
			got = append(got, err)
		}
	}
	for _, l := range []*aio.UnixListener{nil, {}} {
		for _, err := range l.Accepts(t.Context()) {
			got = append(got, err)
		}
	}
	if len(got) != 4 {
		t.Fatalf("%d errors: %v", len(got), got)
	}
	for _, err := range got {
		if !errors.Is(err, syscall.EINVAL) {
			t.Errorf("%v, want EINVAL", err)
		}
	}
}

// outcome is what becomes of a call with zero values.
func outcome(t *testing.T, name string, f reflect.Value) string {
	t.Helper()
	panics, err := call(t, name, f, t.Context())
	if panics != "" {
		return "panic"
	}
	return fmt.Sprintf("%v", err)
}

// TestNilEvent: the methods of a nil Event are an error, or a panic that says so.
func TestNilEvent(t *testing.T) {
	methods((*aio.Event)(nil), func(name string, f reflect.Value) {
		if panics, err := call(t, name, f, t.Context()); !errors.Is(err, syscall.EINVAL) &&
			!strings.Contains(panics, "nil Event") {
			t.Errorf("%s: %v, panic %q", name, err, panics)
		}
	})
}
