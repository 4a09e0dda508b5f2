//go:build !weir_portable

package aio

import (
	"net"
	"reflect"
	"strconv"
	"testing"
)

// There may be very many connections, most of them idle: what each holds must not grow by accident.
// The sizes are those of the allocator's classes that they fit into.
func TestSizes(t *testing.T) {
	if strconv.IntSize < 64 {
		t.Skip("the sizes are those of 64-bit systems")
	}
	for _, c := range []struct {
		v     any
		limit uintptr
	}{{new(TCPConn), 128}, {new(UnixConn), 128}} {
		if typ := reflect.TypeOf(c.v).Elem(); typ.Size() > c.limit {
			t.Errorf("%v has %d bytes, want %d at most", typ, typ.Size(), c.limit)
		}
	}
}

// Connections of a listener have the local address that their clients have called, and those with
// the same share it.
func TestSharedLocalAddr(t *testing.T) {
	lib, err := New(Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { lib.Close() })
	ln, err := lib.Listen("tcp4", ":0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ln.Close() })
	_, port, err := net.SplitHostPort(ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string][]net.Addr{}
	for _, ip := range []string{"127.0.0.1", "127.0.0.1", "127.0.0.2", "127.0.0.1", "127.0.0.2", "127.0.0.2"} {
		client, err := net.Dial("tcp4", net.JoinHostPort(ip, port))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { client.Close() })
		server, err := ln.Accept()
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { server.Close() })
		if got, want := server.LocalAddr().String(), client.RemoteAddr().String(); got != want {
			t.Errorf("the local address is %s, and the client has called %s", got, want)
		}
		if got, want := server.RemoteAddr().String(), client.LocalAddr().String(); got != want {
			t.Errorf("the peer's address is %s, want %s", got, want)
		}
		seen[ip] = append(seen[ip], server.LocalAddr())
	}
	for ip, want := range map[string]bool{"127.0.0.1": true, "127.0.0.2": false} {
		if same := seen[ip][0] == seen[ip][1]; same != want { // pointers
			t.Errorf("two connections to %s, one after the other: %v, share the address: %v", ip, want, same)
		}
	}
	if seen["127.0.0.2"][1] != seen["127.0.0.2"][2] {
		t.Error("two connections, one after the other, do not share the address")
	}
}
