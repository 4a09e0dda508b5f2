package runtime

import (
	"context"
	"math/rand/v2"
	"sync"
	"testing"
	"time"
	"weak"

	"github.com/weirgo/weir/backends"
)

// bigBuf is a buffer large enough to be an object of its own, so that a weak pointer tells when it
// is gone.
type bigBuf [4096]byte

// submitAlone submits a read whose Completion and buffer only the loop refers to when it returns.
//
//go:noinline
func submitAlone(r *rig, fd int, got chan<- byte) (*Completion, weak.Pointer[bigBuf]) {
	buf := new(bigBuf)
	c := r.submit(read(fd, buf[:]), func(c *Completion) Action {
		if c.Err() == nil {
			got <- c.Op.Buf[0]
		}
		c.Op.Buf = nil
		return Disarm
	})
	return c, weak.Make(buf)
}

// TestOnlyReference guards that an operation in flight keeps its Completion and its buffer alive by
// itself, and that the loop lets go of them afterwards.
func TestOnlyReference(t *testing.T) {
	eachLoop(t, Options{}, func(t *testing.T, r *rig) {
		const n = 50
		pressGC(t)
		got := make(chan byte, n)
		var wrs []int
		var weaks []weak.Pointer[bigBuf]
		for range n {
			rd, wr := r.pipe()
			_, w := submitAlone(r, rd, got)
			wrs, weaks = append(wrs, wr), append(weaks, w)
		}
		r.run(NoWait)
		for range 3 {
			collect()
		}
		for i, w := range weaks {
			if w.Value() == nil {
				t.Fatalf("the buffer of read %d was collected while the kernel might write to it", i)
			}
		}
		for i, wr := range wrs {
			r.put(wr, byte(i))
		}
		r.run(UntilDone)
		if len(got) != n {
			t.Fatalf("%d of %d reads came back", len(got), n)
		}
		sum := 0
		for range n {
			sum += int(<-got)
		}
		if sum != n*(n-1)/2 {
			t.Error("the reads brought the wrong bytes")
		}
		end := time.Now().Add(patience / 2)
		for _, w := range weaks {
			for w.Value() != nil && time.Now().Before(end) {
				collect()
				r.run(NoWait)
			}
			if w.Value() != nil {
				t.Fatal("the loop holds on to a buffer of an operation that is over")
			}
		}
	})
}

// TestBufferHeldUntilTheEnd guards that a cancel frees nothing: the buffer stays referenced, and
// the slot taken, until the kernel has said that the operation is over.
func TestBufferHeldUntilTheEnd(t *testing.T) {
	var hold bool
	var held []backends.Event
	o := withShim(Options{}, func(s *shim) {
		hold, held = true, nil
		s.poll = func(dst []backends.Event, deadline int64) (int, error) {
			if !hold && len(held) > 0 {
				n := copy(dst, held)
				held = held[n:]
				return n, nil
			}
			n, err := s.Backend.Poll(dst, deadline)
			if !hold {
				return n, err
			}
			held = append(held, dst[:n]...)
			return 0, err
		}
	})
	eachLoop(t, o, func(t *testing.T, r *rig) {
		t.Cleanup(func() { hold = false }) // or Close would wait
		rd, _ := r.pipe()
		over := false
		c, w := func() (*Completion, weak.Pointer[bigBuf]) {
			buf := new(bigBuf)
			return r.submit(read(rd, buf[:]), func(*Completion) Action { over = true; return Disarm }), weak.Make(buf)
		}()
		r.run(NoWait)
		r.l.Cancel(c)
		r.runUntil("the cancel has taken hold below", func() bool { return len(held) > 0 })
		if over {
			t.Fatal("the callback ran before the terminal event")
		}
		if r.l.slots.live != 1 {
			t.Fatalf("%d slots are taken, want 1: the operation is not over", r.l.slots.live)
		}
		c = nil
		for range 3 {
			collect()
		}
		if w.Value() == nil {
			t.Fatal("the buffer of a cancelled operation was collected before the kernel let go of it")
		}
		hold = false
		r.runUntil("the operation is over", func() bool { return over })
		keepAlive(c)
	})
}

// TestKernelWritesLate guards the caller's side of the same: Do returns when the kernel has let go
// of the buffer, not when the context ends.
func TestKernelWritesLate(t *testing.T) {
	gate := make(chan struct{})
	o := withShim(Options{}, func(s *shim) {
		gate = make(chan struct{})
		gate := gate
		s.cancel = func(id backends.ID) bool { // a kernel that is slow to cancel
			select {
			case <-gate:
				return s.Backend.Cancel(id)
			default:
				return true // lost, as far as the kernel is concerned
			}
		}
	})
	eachDrive(t, o, func(t *testing.T, r *rig) {
		r.wantsBackend()
		rd, wr := r.pipe()
		buf := make([]byte, 1)
		ctx, cancel := context.WithCancel(context.Background())
		got := make(chan error, 1)
		go func() {
			_, err := r.do(ctx, read(rd, buf))
			got <- err
		}()
		r.settled(1)
		cancel()
		time.Sleep(5 * time.Millisecond)
		select {
		case err := <-got:
			t.Fatalf("Do returned %v while the kernel still had the buffer", err)
		default:
		}
		r.put(wr, 7)
		if err := <-got; err != nil || buf[0] != 7 {
			t.Fatalf("the read was done anyway, but Do returned %v, and the buffer holds %d", err, buf[0])
		}
		close(gate)
	})
}

// TestBufferUntouched guards that nothing writes to a buffer after its operation has returned, nor
// before or behind it, with the garbage collector running all the time; what arrives after a cancel
// goes to the next read (go#68273).
func TestBufferUntouched(t *testing.T) {
	eachDrive(t, Options{}, func(t *testing.T, r *rig) {
		pressGC(t)
		const margin, size = 64, 16
		var wg sync.WaitGroup
		for g := range 8 {
			rd, wr := r.pipe()
			wg.Go(func() {
				rng := rand.New(rand.NewPCG(uint64(g), 1))
				for round := range scale(400) {
					whole := make([]byte, margin+size+margin)
					fill(whole, 0xa5)
					ctx, cancel := context.WithCancel(context.Background())
					c := &Completion{Op: read(rd, whole[margin:margin+size:margin+size])}
					got := make(chan error, 1)
					go func() { got <- r.l.Do(ctx, c) }()
					early := rng.IntN(4) == 0
					if early {
						r.put(wr, 1, 2, 3)
					}
					for range rng.IntN(20) {
						yield()
					}
					cancel()
					switch err := <-got; {
					case err == nil && early:
						if whole[margin] != 1 || !filled(whole[margin+3:], 0xa5) {
							t.Errorf("round %d: read % x", round, whole[margin:])
						}
						continue
					case err != context.Canceled:
						t.Errorf("round %d: %v", round, err)
						return
					}
					if !filled(whole, 0xa5) {
						t.Errorf("round %d: a read that was cancelled wrote % x", round, whole)
					}
					fill(whole, 0x5a) // the memory is the caller's again
					if !early {
						r.put(wr, 1, 2, 3)
					}
					next := make([]byte, 10)
					if n := r.mustDo(read(rd, next)); n != 3 || next[0] != 1 || next[2] != 3 {
						t.Errorf("round %d: the next read got % x", round, next[:n])
					}
					if !filled(whole, 0x5a) {
						t.Errorf("round %d: a buffer was written to after its operation had returned: % x", round,
							whole)
					}
				}
			})
		}
		wg.Wait()
	})
}

func fill(b []byte, v byte) {
	for i := range b {
		b[i] = v
	}
}

func filled(b []byte, v byte) bool {
	for _, x := range b {
		if x != v {
			return false
		}
	}
	return true
}

// TestForeignMemory guards what a lost reference would break: thousands of operations with garbage
// made and collected all around, and not a byte of the garbage changed.
func TestForeignMemory(t *testing.T) {
	eachDrive(t, Options{}, func(t *testing.T, r *rig) {
		pressGC(t)
		var wg sync.WaitGroup
		for g := range 8 {
			a, b := r.socketPair()
			wg.Go(func() {
				var herd [][]byte // of the size of the buffers, so that they would reuse their memory
				for round := range scale(300) {
					buf := make([]byte, 512)
					got := make(chan int, 1)
					go func() {
						got <- r.mustDo(backends.Op{Code: backends.OpRecv, FD: b, Buf: buf})
					}()
					for range 16 {
						canary := make([]byte, 512)
						fill(canary, byte(g))
						herd = append(herd, canary)
					}
					out := make([]byte, 512)
					fill(out, byte(round))
					r.mustDo(backends.Op{Code: backends.OpSend, FD: a, Buf: out})
					if n := <-got; n != 512 || !filled(buf, byte(round)) {
						t.Errorf("round %d: received %d bytes, % x...", round, n, buf[:8])
						return
					}
					for _, canary := range herd {
						if !filled(canary, byte(g)) {
							t.Errorf("round %d: memory of others was written to", round)
							return
						}
					}
					if len(herd) > 256 {
						herd = herd[:0]
					}
				}
			})
		}
		wg.Wait()
	})
}
