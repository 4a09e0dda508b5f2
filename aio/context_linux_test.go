//go:build !weir_portable

package aio_test

import (
	"context"
	"errors"
	"net"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/weirgo/weir/aio"
)

// callsWithContext are those that take a context, on a connection whose peer sends nothing and
// reads nothing, and their like.
func callsWithContext(t *testing.T, lib *aio.IO) (all map[string]func(ctx context.Context) error, closeAll func()) {
	t.Helper()
	a, _ := tcpPair(t, lib)
	ln, err := lib.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	udp, err := lib.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	r, w, err := lib.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	one := func() []byte { return make([]byte, 1) }
	big := make([]byte, 16<<20)
	all = map[string]func(ctx context.Context) error{
		"ReadContext":   func(ctx context.Context) error { _, err := a.ReadContext(ctx, one()); return err },
		"Receive":       func(ctx context.Context) error { return a.Receive(ctx, func([]byte) error { return nil }) },
		"WriteContext":  func(ctx context.Context) error { _, err := a.WriteContext(ctx, big); return err },
		"WritevContext": func(ctx context.Context) error { _, err := a.WritevContext(ctx, [][]byte{big}); return err },
		"AcceptContext": func(ctx context.Context) error {
			_,
				err := ln.(*aio.TCPListener).AcceptContext(ctx)
			return err
		},
		"a file's read": func(ctx context.Context) error { _, err := r.ReadContext(ctx, one()); return err },
		"a packet": func(ctx context.Context) error {
			_, _, err := udp.ReadFromUDPAddrPortContext(ctx,
				one())
			return err
		},
		"ReadBatch": func(ctx context.Context) error {
			_,
				err := udp.ReadBatch(ctx, []aio.Packet{{Buf: one()}})
			return err
		},
	}
	return all, func() {
		a.Close()
		ln.Close()
		udp.Close()
		r.Close()
		w.Close()
	}
}

// A call that waited for its turn behind another did not end with its context.
func TestContextEndsWaitForTurn(t *testing.T) {
	each(t, func(t *testing.T, lib *aio.IO) {
		all, closeAll := callsWithContext(t, lib)
		var first sync.WaitGroup
		for _, f := range all {
			first.Go(func() {
				if err := f(context.Background()); !errors.Is(err, net.ErrClosed) && !errors.Is(err, os.ErrClosed) {
					t.Errorf("the calls before: %v", err)
				}
			})
		}
		time.Sleep(20 * time.Millisecond)
		cause := errors.New("enough")
		ctx, cancel := context.WithCancelCause(context.Background())
		var behind sync.WaitGroup
		for name, f := range all {
			behind.Go(func() {
				if err := f(ctx); !errors.Is(err, cause) {
					t.Errorf("%s behind another: %v", name, err)
				}
			})
		}
		time.Sleep(20 * time.Millisecond)
		cancel(cause)
		behind.Wait()
		closeAll()
		first.Wait()
	})
}

// Close ends what waits for its turn while the call that has it goes on, as in package net.
func TestCloseEndsWaitForTurn(t *testing.T) {
	each(t, func(t *testing.T, lib *aio.IO) {
		a, _ := tcpPair(t, lib)
		raw, err := a.SyscallConn()
		if err != nil {
			t.Fatal(err)
		}
		in, out := make(chan struct{}), make(chan struct{})
		go raw.Read(func(uintptr) bool { close(in); <-out; return true })
		<-in
		over := make(chan error)
		go func() { _, err := a.Read(make([]byte, 1)); over <- err }()
		time.Sleep(10 * time.Millisecond)
		closed := make(chan error)
		go func() { closed <- a.Close() }()
		if err := <-over; !errors.Is(err, net.ErrClosed) {
			t.Errorf("a read in line: %v", err)
		}
		close(out)
		if err := <-closed; err != nil {
			t.Error(err)
		}
	})
}

// A call whose context is over before it begins returns that, also when it could be done at once.
func TestContextOverBefore(t *testing.T) {
	each(t, func(t *testing.T, lib *aio.IO) {
		cause := errors.New("long over")
		ctx, cancel := context.WithCancelCause(context.Background())
		cancel(cause)
		a, b := tcpPair(t, lib)
		if _, err := b.Write([]byte("data")); err != nil {
			t.Fatal(err)
		}
		f, err := lib.OpenFile(filepath.Join(t.TempDir(), "file"), os.O_RDWR|os.O_CREATE, 0o600)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		if _, err := f.Write([]byte("data")); err != nil {
			t.Fatal(err)
		}
		udp, err := lib.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
		if err != nil {
			t.Fatal(err)
		}
		defer udp.Close()
		to := udp.LocalAddr().(*net.UDPAddr).AddrPort()
		if _, err := udp.WriteToUDPAddrPort([]byte("data"), to); err != nil {
			t.Fatal(err)
		}
		p := make([]byte, 4)
		check := func(name string, n any, err error) {
			t.Helper()
			if !errors.Is(err, cause) || n == 4 {
				t.Errorf("%s: %v, %v", name, n, err)
			}
		}
		n, err := a.ReadContext(ctx, p)
		check("ReadContext", n, err)
		n, err = a.WriteContext(ctx, p)
		check("WriteContext", n, err)
		_, err = a.WritevContext(ctx, [][]byte{p})
		check("WritevContext", 0, err)
		n, err = f.ReadAtContext(ctx, p, 0)
		check("ReadAtContext", n, err)
		n, err = f.ReadContext(ctx, p)
		check("a file's ReadContext", n, err)
		n, err = f.WriteContext(ctx, p)
		check("a file's WriteContext", n, err)
		n, err = f.WriteAtContext(ctx, p, 0)
		check("WriteAtContext", n, err)
		n, _, err = udp.ReadFromUDPAddrPortContext(ctx, p)
		check("ReadFromUDPAddrPortContext", n, err)
		n, err = udp.WriteToUDPAddrPortContext(ctx, p, to)
		check("WriteToUDPAddrPortContext", n, err)
		n, err = udp.WriteBatch(ctx, []aio.Packet{{Buf: p, Addr: to}})
		check("WriteBatch", n, err)
		n, err = udp.ReadBatch(ctx, []aio.Packet{{Buf: p}})
		check("ReadBatch", n, err)
		err = a.Receive(ctx, func([]byte) error { t.Error("something was received"); return nil })
		check("Receive", 0, err)
		if n, err := a.Read(p); n != 4 || err != nil {
			t.Errorf("and then: %d, %v", n, err)
		}
	})
}
