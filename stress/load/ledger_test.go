package load_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/weirgo/weir/stress/faulty"
	"github.com/weirgo/weir/stress/load"
)

// talk sends ten messages on each of two connections, all at once, and checks the answers that come
// until there are none for a while.
func talk(t *testing.T, l *load.Ledger, address string) {
	t.Helper()
	var all sync.WaitGroup
	ready := make(chan struct{})
	var waiting sync.WaitGroup
	waiting.Add(2)
	for range 2 {
		c, err := net.Dial("tcp", address)
		if err != nil {
			t.Fatal(err)
		}
		all.Go(func() {
			defer c.Close()
			s := l.Stream()
			defer s.Close()
			buf, got := make([]byte, 64), make([]byte, 64)
			exchange := func() {
				s.Stamp(buf, true)
				c.Write(buf)
				c.SetReadDeadline(time.Now().Add(300 * time.Millisecond))
				if _, err := io.ReadFull(c, got); err == nil {
					s.Answer(got)
				}
			}
			exchange() // both are accepted before one may get what is the other's
			waiting.Done()
			<-ready
			for range 9 {
				s.Stamp(buf, true)
				c.Write(buf)
			}
			for {
				c.SetReadDeadline(time.Now().Add(300 * time.Millisecond))
				if _, err := io.ReadFull(c, got); err != nil {
					return
				}
				s.Answer(got)
			}
		})
	}
	waiting.Wait()
	close(ready)
	all.Wait()
}

// Each check finds the fault that it is there for, and no other finds it: each is proved by a server
// that makes that mistake.
func TestLedgerFinds(t *testing.T) {
	for _, c := range []struct {
		fault faulty.Fault
		what  load.What
	}{
		{faulty.Lost, load.Lost}, {faulty.Silent, load.Lost}, {faulty.Closed, load.Lost}, {faulty.Doubled, load.Doubled},
		{faulty.Changed, load.Changed}, {faulty.Late, load.Late}, {faulty.Reordered, load.Reordered},
		{faulty.Foreign, load.Foreign}, {faulty.None, -1},
	} {
		t.Run(string(c.fault), func(t *testing.T) {
			t.Parallel()
			ln, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			srv := faulty.Serve(ln, faulty.Options{Size: 64, Fault: c.fault, After: 3, Delay: 150 * time.Millisecond})
			defer srv.Close()
			o := load.LedgerOptions{Ordered: true}
			if c.fault == faulty.Late {
				o.Late = 100 * time.Millisecond
			}
			l := load.NewLedger(o)
			talk(t, l, ln.Addr().String())
			for w := load.Lost; w <= load.Foreign; w++ {
				n := l.Count(w)
				// what is changed, or went to another stream, is missing where it belongs, too
				missing := w == load.Lost && (c.what == load.Changed || c.what == load.Foreign)
				if !missing && (n > 0) != (w == c.what) {
					t.Errorf("%s: %d times %v", c.fault, n, w)
				}
			}
			if err := l.Err(); (err != nil) != (c.what >= 0) {
				t.Errorf("%s: %v", c.fault, err)
			}
			var f *load.Fault
			if c.what >= 0 && (!errors.As(l.Err(), &f) || f.Number == 0) {
				t.Errorf("%s: %v names no message", c.fault, l.Err())
			}
			if a := l.Accounts(); a.Sent != 20 || a.Streams != 2 || c.what < 0 && (a.Right != 20 || len(a.Faults) > 0) {
				t.Errorf("%s: accounts %+v", c.fault, a)
			}
		})
	}
}

// Any byte of a message that is another is noticed, and so are messages that are cut or made up.
func TestLedgerBytes(t *testing.T) {
	for _, size := range []int{load.Header, load.Header + 1, 100} {
		for i := range size {
			l := load.NewLedger(load.LedgerOptions{})
			s := l.Stream()
			p := make([]byte, size)
			s.Stamp(p, true)
			p[i] ^= 1
			if _, err := s.Answer(p); err == nil || l.Count(load.Changed) != 1 {
				t.Errorf("byte %d of %d is another: %v", i, size, err)
			}
		}
	}
	l := load.NewLedger(load.LedgerOptions{})
	s := l.Stream()
	p := make([]byte, 100)
	s.Stamp(p, true)
	for _, bad := range [][]byte{nil, p[:10], p[:99], append(p[:100:100], 0)} {
		if _, err := s.Answer(bad); err == nil {
			t.Errorf("%d bytes of 100 pass", len(bad))
		}
	}
	if n, err := s.Answer(p); n != 1 || err != nil {
		t.Errorf("%d, %v", n, err)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
}

// What a caller takes back is not lost, and a lossy ledger has no lost answers.
func TestLedgerForgets(t *testing.T) {
	for _, lossy := range []bool{false, true} {
		l := load.NewLedger(load.LedgerOptions{Lossy: lossy})
		s := l.Stream()
		p := make([]byte, load.Header)
		s.Forget(s.Stamp(p, false))
		if s.Stamp(p, false); s.Open() != 1 {
			t.Errorf("%d are open", s.Open())
		}
		if err := s.Close(); (err == nil) != lossy || (l.Count(load.Lost) == 0) != lossy {
			t.Errorf("lossy %v: %v", lossy, err)
		}
	}
}

// A harness whose operation is checked by a ledger counts faults by their kind.
func Example() {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return
	}
	server := faulty.Serve(ln, faulty.Options{Size: 64})
	defer server.Close()

	ledger := load.NewLedger(load.LedgerOptions{Ordered: true})
	result, err := load.Run(context.Background(), load.Config{
		Workers: 4,
		Start: func(ctx context.Context, worker int) (load.Worker, error) {
			conn, err := net.Dial("tcp", ln.Addr().String())
			if err != nil {
				return load.Worker{}, err
			}
			stream, message := ledger.Stream(), make([]byte, 64)
			return load.Worker{
				Op: func(context.Context) error {
					stream.Stamp(message, true)
					if _, err := conn.Write(message); err != nil {
						return err
					}
					if _, err := io.ReadFull(conn, message); err != nil {
						return err
					}
					_, err := stream.Answer(message)
					return err
				},
				Close: func() error { return errors.Join(stream.Close(), conn.Close()) },
			}, nil
		},
		Phases: []load.Phase{{Name: "load", Time: 50 * time.Millisecond, Schedule: load.Constant(1000)}},
	})
	fmt.Println(err, ledger.Err(), result.Phases[0].Due, result.Phases[0].Errors)
	// Output: <nil> <nil> 50 0
}
