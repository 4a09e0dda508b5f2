package load

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"sync"
	"time"
)

// What says what is wrong with an answer.
type What int

// The faults that a Ledger finds.
const (
	Lost      What = iota // there was no answer
	Doubled               // there was one already
	Changed               // it has not the bytes that were sent
	Late                  // it took longer than it may
	Reordered             // an answer to a later message was there before
	Foreign               // it belongs to another stream
	whats
)

// String is the fault as an adjective, which is also its kind in a PhaseResult.
func (w What) String() string {
	if w < 0 || w >= whats {
		return fmt.Sprintf("What(%d)", int(w))
	}
	return [...]string{"lost answer", "doubled answer", "changed answer", "late answer", "reordered answer",
		"answer of another stream"}[w]
}

// Fault is what a Ledger has found in one answer. It is an error.
type Fault struct {
	What   What
	Stream uint32
	Number uint64 // of the message; 0 if that cannot be told
	Detail string
}

func (f *Fault) Error() string {
	text := fmt.Sprintf("%v: message %d of stream %d", f.What, f.Number, f.Stream)
	if f.Detail != "" {
		text += ": " + f.Detail
	}
	return text
}

// Header is how many bytes of a message are the ledger's: the least that a message has.
const Header = 24

// The header: a mark, the stream, the number, the length, and a checksum of everything but itself.
const (
	markAt   = 0
	streamAt = 4
	numberAt = 8
	lengthAt = 16
	sumAt    = 20

	mark = 0x77656972 // "weir"
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

func checksum(p []byte) uint32 {
	return crc32.Update(crc32.Checksum(p[:sumAt], castagnoli), castagnoli, p[Header:])
}

// LedgerOptions say what a ledger minds. The zero value minds what no service may do: losing,
// doubling and changing answers, and giving them to others.
type LedgerOptions struct {
	Late    time.Duration // an answer after this time is late; 0: none is
	Ordered bool          // answers come in the order of the messages
	Lossy   bool          // answers may be missing, as those of datagrams may
}

// Ledger keeps the accounts of messages and their answers: each message that is sent is stamped, and
// each answer, which is the message itself, is compared with what was sent. It has a Stream for each
// connection. Any goroutine may call its methods.
type Ledger struct {
	o LedgerOptions

	mu      sync.Mutex
	streams uint32
	found   [whats]uint64
	first   [whats]*Fault
	sent    uint64
	right   uint64
}

// NewLedger returns a ledger without streams.
func NewLedger(o LedgerOptions) *Ledger { return &Ledger{o: o} }

// Stream is one connection's part of a ledger. Any goroutine may call its methods; messages are in
// the order of the calls of Stamp.
type Stream struct {
	l  *Ledger
	id uint32

	mu      sync.Mutex
	next    uint64
	highest uint64               // message that was answered
	open    map[uint64]time.Time // sent, and not answered
	closed  bool
}

// Stream begins a stream.
func (l *Ledger) Stream() *Stream {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.streams++
	return &Stream{l: l, id: l.streams, open: map[uint64]time.Time{}}
}

// ID is the stream's number, which its messages carry.
func (s *Stream) ID() uint32 { return s.id }

// Stamp makes p the stream's next message, and counts it as sent now. It writes the first Header
// bytes, which p must have, and, if fill is set, all others. It returns the message's number, which
// is 1 for the first.
func (s *Stream) Stamp(p []byte, fill bool) uint64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.next++
	if fill {
		x := s.next*0x9e3779b97f4a7c15 ^ uint64(s.id)<<32
		for i := Header; i < len(p); i++ {
			if i%8 == 0 {
				x ^= x << 13
				x ^= x >> 7
				x ^= x << 17
			}
			p[i] = byte(x >> (8 * (i % 8)))
		}
	}
	binary.LittleEndian.PutUint32(p[markAt:], mark)
	binary.LittleEndian.PutUint32(p[streamAt:], s.id)
	binary.LittleEndian.PutUint64(p[numberAt:], s.next)
	binary.LittleEndian.PutUint32(p[lengthAt:], uint32(len(p)))
	binary.LittleEndian.PutUint32(p[sumAt:], checksum(p))
	s.open[s.next] = time.Now()
	return s.next
}

// Answer checks an answer that arrives now. It returns the number of its message, and a *Fault if
// something is wrong with it. p is not kept.
func (s *Stream) Answer(p []byte) (uint64, error) {
	now := time.Now()
	f := &Fault{What: Changed, Stream: s.id}
	switch {
	case len(p) < Header:
		f.Detail = fmt.Sprintf("it has %d bytes", len(p))
		return 0, s.l.note(f)
	case binary.LittleEndian.Uint32(p[markAt:]) != mark:
		f.Detail = fmt.Sprintf("it begins with % x", p[:4])
		return 0, s.l.note(f)
	case checksum(p) != binary.LittleEndian.Uint32(p[sumAt:]):
		f.Number = binary.LittleEndian.Uint64(p[numberAt:])
		f.Detail = "its checksum is wrong"
		return f.Number, s.l.note(f)
	case binary.LittleEndian.Uint32(p[lengthAt:]) != uint32(len(p)):
		f.Number = binary.LittleEndian.Uint64(p[numberAt:])
		f.Detail = fmt.Sprintf("it has %d bytes, %d were sent", len(p), binary.LittleEndian.Uint32(p[lengthAt:]))
		return f.Number, s.l.note(f)
	}
	f.Number = binary.LittleEndian.Uint64(p[numberAt:])
	if id := binary.LittleEndian.Uint32(p[streamAt:]); id != s.id {
		f.What, f.Detail = Foreign, fmt.Sprintf("stream %d got it", s.id)
		f.Stream = id
		return f.Number, s.l.note(f)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	sent, open := s.open[f.Number]
	delete(s.open, f.Number)
	took := now.Sub(sent)
	switch {
	case !open && f.Number <= s.next:
		f.What = Doubled
	case !open:
		f.Detail = fmt.Sprintf("only %d were sent", s.next)
	case s.l.o.Ordered && f.Number < s.highest:
		f.What, f.Detail = Reordered, fmt.Sprintf("message %d was answered before", s.highest)
	case s.l.o.Late > 0 && took > s.l.o.Late:
		f.What, f.Detail = Late, fmt.Sprintf("it took %v", took)
	default:
		s.highest = max(s.highest, f.Number)
		s.l.mu.Lock()
		s.l.right++
		s.l.mu.Unlock()
		return f.Number, nil
	}
	s.highest = max(s.highest, f.Number)
	return f.Number, s.l.note(f)
}

// Forget takes a message back whose answer cannot come, since the connection has failed, or was
// closed on purpose: that is counted elsewhere.
func (s *Stream) Forget(number uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.open, number)
}

// Open is how many messages have no answer.
func (s *Stream) Open() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.open)
}

// Close ends the stream: messages without an answer are lost, unless the ledger is lossy. It returns
// the first of them as a *Fault.
func (s *Stream) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil
	}
	s.closed = true
	s.l.mu.Lock()
	s.l.sent += s.next
	s.l.mu.Unlock()
	if s.l.o.Lossy {
		return nil
	}
	var first *Fault
	for number := range s.open {
		f := &Fault{What: Lost, Stream: s.id, Number: number}
		s.l.note(f)
		if first == nil || number < first.Number {
			first = f
		}
	}
	if first == nil {
		return nil
	}
	return first
}

// note counts a fault.
func (l *Ledger) note(f *Fault) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.found[f.What]++
	if l.first[f.What] == nil {
		l.first[f.What] = f
	}
	return f
}

// Count is how many faults of one kind there were.
func (l *Ledger) Count(w What) uint64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.found[w]
}

// Accounts are the sums of a ledger, over the streams that are closed.
type Accounts struct {
	Streams uint32            `json:"streams"`
	Sent    uint64            `json:"sent"`
	Right   uint64            `json:"right"`
	Faults  map[string]uint64 `json:"faults,omitempty"`
}

// Accounts returns the sums.
func (l *Ledger) Accounts() Accounts {
	l.mu.Lock()
	defer l.mu.Unlock()
	a := Accounts{Streams: l.streams, Sent: l.sent, Right: l.right}
	for w, n := range l.found {
		if n > 0 {
			if a.Faults == nil {
				a.Faults = map[string]uint64{}
			}
			a.Faults[What(w).String()] = n
		}
	}
	return a
}

// Err returns the first fault of each kind, joined, or nil.
func (l *Ledger) Err() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	var errs []error
	for w, f := range l.first {
		if f != nil {
			errs = append(errs, fmt.Errorf("%w (%d in all)", f, l.found[w]))
		}
	}
	return errors.Join(errs...)
}
