package citizen

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"runtime"
	"runtime/trace"
	"time"

	"golang.org/x/sys/unix"
)

// What a request says that the server does before it answers.
const (
	reqEcho    = 'e' // nothing
	reqReady   = 'r' // has another goroutine answer, by a channel
	reqBound   = 'b' // the same, and that one keeps its thread (LockOSThread)
	reqYield   = 'y' // runtime.Gosched
	reqSleep   = 's' // time.Sleep of a nap
	reqAfter   = 'a' // time.AfterFunc after a nap
	reqStop    = 'w' // stops the world, for the counters of memory
	reqCollect = 'c' // runtime.GC
	reqNap     = 'n' // nanosleep(2), a system call that blocks the thread for a nap, as a call of C does

	reqSideSleep = 'S' // Sleep of the side
	reqSideTimer = 'T' // a timer of the side
	reqFile      = 'f' // reads a block of a file of the side
	reqCancel    = 'x' // cancels the context of a Read that waits
	reqClose     = 'k' // closes a connection in which a Read waits

	reqBegin   = 'B' // starts what the row has the server do all the time
	reqCompute = 'C' // answers, and then computes, without a system call, for so many ms
	reqSpin    = 'P' // calls runtime.Gosched all the time for so many ms
	reqCall    = 'L' // makes one long system call
	reqSync    = 'F' // writes to a file and calls fsync(2)
	reqTrace   = 'R' // starts and stops an execution trace
	reqFault   = 'U' // reads the next message into a page that is missing
)

// nap is how long timers and sleeps are asked to take; figures are without it.
const nap = time.Millisecond

// message makes a request. ms is for those that last.
func message(p []byte, what byte, ms int) {
	clear(p)
	p[0] = what
	binary.LittleEndian.PutUint16(p[2:], uint16(ms))
	binary.LittleEndian.PutUint64(p[8:], uint64(time.Now().UnixNano()))
}

func messageTime(p []byte) time.Time { return time.Unix(0, int64(binary.LittleEndian.Uint64(p[8:]))) }

// A worker does the requests of one connection, one after the other.
type worker struct {
	*server
	conn   net.Conn
	answer chan struct{}
	fired  chan struct{}
	reader reader // of reqCancel, of reqClose
}

func (w *worker) do(p []byte) error {
	lasts := time.Duration(binary.LittleEndian.Uint16(p[2:])) * time.Millisecond
	switch p[0] {
	case reqEcho:
	case reqReady:
		w.ready <- w.answer
		<-w.answer
	case reqBound:
		w.bound <- w.answer
		<-w.answer
	case reqYield:
		runtime.Gosched()
	case reqSleep:
		time.Sleep(nap)
	case reqAfter:
		time.AfterFunc(nap, func() { w.fired <- struct{}{} })
		<-w.fired
	case reqStop:
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
	case reqCollect:
		runtime.GC()
	case reqNap:
		return unixNap(nap)
	case reqSideSleep:
		w.sleep(nap)
	case reqSideTimer:
		<-w.timer(nap)
	case reqFile:
		return w.readBlock(make([]byte, blockSize))
	case reqCancel:
		return w.cancelRead()
	case reqClose:
		return w.closeRead()
	case reqBegin:
		return w.row.begin(w.server)
	case reqCompute:
		return w.compute(p, lasts)
	case reqSpin:
		for end := time.Now().Add(lasts); time.Now().Before(end); {
			runtime.Gosched()
		}
	case reqCall:
		return w.call.make()
	case reqSync:
		return w.syncFile()
	case reqTrace:
		if err := trace.Start(io.Discard); err != nil {
			return err
		}
		trace.Stop()
	case reqFault:
		return w.readMissing(lasts)
	default:
		return errors.New("unknown")
	}
	return nil
}

func unixNap(d time.Duration) error {
	left := unix.NsecToTimespec(int64(d))
	for {
		err := unix.Nanosleep(&left, &left)
		if err != unix.EINTR { // the signals that preempt
			return err
		}
	}
}

const blockSize = 4096

// readBlock reads some block of the file.
func (s *server) readBlock(p []byte) error {
	_, err := s.file.ReadAt(p, rand.Int64N(s.Size/blockSize)*blockSize)
	return err
}

// compute says that it begins, and then does nothing but compute. It notes how late it began, and
// for how long it was kept from going on.
func (w *worker) compute(p []byte, d time.Duration) error {
	begin := time.Now()
	w.note("begins", begin.Sub(messageTime(p)))
	if _, err := w.conn.Write(p); err != nil {
		return err
	}
	var longest time.Duration
	h := uint64(1)
	for last := begin; last.Sub(begin) < d; {
		for i := range uint64(1000) {
			h = h*31 + i
		}
		now := time.Now() // no system call
		longest = max(longest, now.Sub(last))
		last = now
	}
	runtime.KeepAlive(h)
	w.note("stands still", longest)
	return nil
}

// A reader is a goroutine that waits in Read, of a connection whose peer says nothing.
type reader struct {
	conn, peer net.Conn
	cancel     context.CancelFunc
	over       chan error
}

func (w *worker) startReader() (err error) {
	r := &w.reader
	if r.conn == nil {
		if r.conn, r.peer, err = w.pair(); err != nil {
			return err
		}
	}
	r.over = make(chan error, 1)
	var ctx context.Context
	ctx, r.cancel = context.WithCancel(context.Background())
	conn, over := r.conn, r.over
	go func() {
		_, err := w.read(ctx, conn, make([]byte, 1))
		over <- err
	}()
	return nil
}

func (w *worker) cancelRead() error {
	if w.reader.conn != nil { // one has waited since the last request
		w.reader.cancel()
		if err := <-w.reader.over; !errors.Is(err, context.Canceled) && !errors.Is(err, os.ErrDeadlineExceeded) {
			return fmt.Errorf("a read that was cancelled: %v", err)
		}
	}
	return w.startReader()
}

func (w *worker) closeRead() error {
	if w.reader.conn != nil {
		w.reader.conn.Close()
		if err := <-w.reader.over; !errors.Is(err, net.ErrClosed) {
			return fmt.Errorf("a read whose connection was closed: %v", err)
		}
		w.reader.cancel()
		w.reader.peer.Close()
		w.reader.conn = nil
	}
	return w.startReader()
}
