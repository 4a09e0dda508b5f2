package sim

import (
	"fmt"
	"math/rand/v2"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/weirgo/weir/backends"
)

// Config says what kernel to simulate. The zero value has no faults and the default sizes.
type Config struct {
	Seed   uint64
	Faults Faults

	Entries   int           // size of the submission queue; default 256
	CQEntries int           // size of the completion queue; default 8 times Entries
	Buffer    int           // bytes that a pipe or one direction of a socket pair holds; default 65536
	Backlog   int           // connections that wait for accept; default 128
	FDs       int           // descriptors that can be open; default 4096. Beyond: EMFILE
	FileSize  int           // bytes that a file can grow to; default 64 MiB. Beyond: EFBIG
	MaxDelay  time.Duration // longest delay that a fault causes; default 10 ms of virtual time
	Trace     int           // steps that Trace remembers; default 4096, none if negative
}

// start is what the virtual clock shows at first: far enough from 0 that NoWait is long past.
const start = int64(1000 * time.Second)

// Sim is a simulated kernel and its Backend. The methods of Backend obey its rules; those that make
// and inspect simulated objects may be called by any goroutine at any time, and what they cause
// happens in the next Poll.
type Sim struct {
	cfg      Config
	maxDelay int64

	now   atomic.Int64
	owner atomic.Int32 // the owner's call in progress, 0: none

	mu    sync.Mutex
	cond  *sync.Cond // signalled when a Poll that waits for real should look again
	rng   *rand.Rand
	trace trace

	bound, closed bool
	lost          error

	queue    []entry // submission queue
	stalled  bool    // the last Poll took nothing off a queue that was not empty
	inflight map[uint32]*req
	taken    map[*backends.Completion]backends.ID
	due      agenda
	seq      uint64

	cq       []cqe
	backlog  []cqe // completions that found the completion queue full
	woken    bool
	spurious bool // a Poll was woken for no reason, and none has waited since

	fds   []*file
	dirty []*file // files on which something happened that operations may wait for
	ports map[uint16]*file
	port  uint16
	names map[string]*file

	counters backends.Counters
}

var (
	_ backends.Backend     = (*Sim)(nil)
	_ backends.Descriptors = (*Sim)(nil)
)

// entry is one entry of the submission queue: an operation, or else a cancel.
type entry struct {
	r      *req
	cancel backends.ID
}

// New makes a kernel.
func New(cfg Config) *Sim {
	defaults := func(p *int, n int) {
		if *p <= 0 {
			*p = n
		}
	}
	defaults(&cfg.Entries, 256)
	defaults(&cfg.CQEntries, 8*cfg.Entries)
	defaults(&cfg.Buffer, 64<<10)
	defaults(&cfg.Backlog, 128)
	defaults(&cfg.FDs, 4096)
	defaults(&cfg.FileSize, 64<<20)
	if cfg.Trace == 0 {
		cfg.Trace = 4096
	}
	if cfg.MaxDelay <= 0 {
		cfg.MaxDelay = 10 * time.Millisecond
	}
	s := &Sim{
		cfg: cfg, maxDelay: int64(cfg.MaxDelay),
		rng:      rand.New(rand.NewPCG(cfg.Seed, 0x51_e7_a1)),
		trace:    trace{records: make([]record, 0, max(cfg.Trace, 0))},
		inflight: map[uint32]*req{}, taken: map[*backends.Completion]backends.ID{},
		fds: make([]*file, firstFD), ports: map[uint16]*file{}, port: 49152,
		names: map[string]*file{},
	}
	s.cond = sync.NewCond(&s.mu)
	s.now.Store(start)
	return s
}

// String names what reproduces this kernel: print it when a test fails.
func (s *Sim) String() string {
	text := fmt.Sprintf("sim seed=%d", s.cfg.Seed)
	if f := s.cfg.Faults.String(); f != "" {
		text += " " + f
	}
	return text
}

// Name returns "sim".
func (s *Sim) Name() string { return "sim" }

// Now is the virtual clock. Any goroutine may call it.
func (s *Sim) Now() int64 { return s.now.Load() }

// Bind makes the Sim ready. It runs on any thread, and does not check on which.
func (s *Sim) Bind(bool) error {
	defer s.own(callBind)()
	if s.bound {
		s.misuse("Bind is called twice")
	}
	s.bound = true
	return nil
}

// Submit queues operations until the queue is full.
func (s *Sim) Submit(batch []*backends.Completion) int {
	defer s.own(callSubmit)()
	s.mustRun()
	for i, c := range batch {
		if len(s.queue) >= s.cfg.Entries {
			return i
		}
		s.queue = append(s.queue, entry{r: s.accept(c)})
	}
	return len(batch)
}

// accept checks what is submitted and makes the request of it.
func (s *Sim) accept(c *backends.Completion) *req {
	id, op := c.ID, c.Op.Code
	switch old := s.inflight[id.Slot()]; {
	case id.Gen() == 0:
		s.misuse("Submit: %v %v: generations start at 1", id, op)
	case id.Slot() >= backends.MaxSlots:
		s.misuse("Submit: %v %v: the slot is not below MaxSlots (%d)", id, op, backends.MaxSlots)
	case int(op) >= backends.NumCodes:
		s.misuse("Submit: %v: there is no operation %d", id, op)
	case op.OfLoop():
		s.misuse("Submit: %v %v: no backend does that, the Loop does", id, op)
	case c.Op.Multi && op != backends.OpPoll && op != backends.OpAccept:
		s.misuse("Submit: %v %v: only poll and accept can be Multi", id, op)
	case old != nil && old.id == id:
		s.misuse("Submit: %v %v: the ID is in flight already, as %v", id, op, old.op.Code)
	case old != nil:
		s.misuse("Submit: %v %v: the slot is in flight already, as %v %v", id, op, old.id, old.op.Code)
	}
	if other, ok := s.taken[c]; ok {
		s.misuse("Submit: %v %v: the Completion is in flight already, as %v", id, op, other)
	}
	r := &req{c: c, op: c.Op, id: id}
	r.sum = r.checksum()
	s.inflight[id.Slot()] = r
	s.taken[c] = id
	s.note("submit", id, op.String(), int64(c.Op.FD), c.Op.Multi)
	return r
}

// Cancel queues a cancel behind the operations that were submitted before it.
func (s *Sim) Cancel(id backends.ID) bool {
	defer s.own(callCancel)()
	s.mustRun()
	if len(s.queue) >= s.cfg.Entries {
		return false
	}
	s.queue = append(s.queue, entry{cancel: id})
	return true
}

// Poll does the work of the kernel. When it has to wait it moves the clock to the next thing that
// is due, or to the deadline; where nothing is due and the deadline is Forever it blocks until Wake
// is called or an object changes.
func (s *Sim) Poll(dst []backends.Event, deadline int64) (int, error) {
	defer s.own(callPoll)()
	s.mustRun()
	s.counters.Syscalls++
	s.counters.Enters++
	if len(s.backlog) > 0 {
		s.counters.Overflows++
		s.flush()
	}
	all := s.handOver()
	for {
		s.runDue()
		s.settle()
		if s.lost != nil {
			return 0, s.lost
		}
		switch n := s.reap(dst); {
		case n > 0 || len(dst) == 0 || deadline <= s.Now() || !all:
			if s.woken && deadline != backends.NoWait && s.chance(s.cfg.Faults.EatWake) {
				s.wake()
			}
			return n, nil
		case s.woken:
			s.wake()
			return 0, nil
		case !s.spurious && s.chance(s.cfg.Faults.SpuriousWake):
			s.spurious = true // but not twice without a wait in between: time must go on
			s.note("spurious", 0, "wake", 0, false)
			return 0, nil
		}
		s.spurious = false
		switch next := s.due.next(); {
		case next <= deadline && next != backends.Forever:
			s.now.Store(max(s.Now(), next))
			s.yield()
		case deadline != backends.Forever:
			s.now.Store(deadline)
			s.yield()
		default:
			s.cond.Wait()
		}
	}
}

// yield lets other goroutines run where a real kernel would make the caller wait: without threads
// they could not run otherwise.
func (s *Sim) yield() {
	s.mu.Unlock()
	runtime.Gosched()
	s.mu.Lock()
}

// wake uses up the call of Wake that is pending.
func (s *Sim) wake() {
	s.woken = false
	s.note("woken", 0, "", 0, false)
}

// Pending reports whether operations are queued or events ready.
func (s *Sim) Pending() bool {
	defer s.own(callPending)()
	s.mustRun()
	return len(s.queue)+len(s.cq)+len(s.backlog) > 0
}

// Wake makes the Poll that waits, or the next one that would, return.
func (s *Sim) Wake() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.woken {
		s.counters.Syscalls++
	}
	s.woken = true
	s.cond.Broadcast()
}

// Fail makes every Poll from now on return err, as if the kernel had lost the queues. After that
// Close is allowed with operations in flight.
func (s *Sim) Fail(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.lost = err
	s.cond.Broadcast()
}

// Counters adds up what the Sim did. A Poll counts as one system call, and so does a Wake unless
// another one is pending. Any goroutine may call it.
func (s *Sim) Counters() backends.Counters {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.counters
}

// Close checks that nothing is in flight. Descriptors stay: see OpenFDs.
func (s *Sim) Close() error {
	defer s.own(callClose)()
	if s.closed {
		s.misuse("Close is called twice")
	}
	if len(s.inflight) > 0 && s.lost == nil {
		ids := ""
		for _, r := range s.inFlight() {
			ids += fmt.Sprintf(" %v %v", r.id, r.op.Code)
		}
		s.misuse("Close with operations in flight:%s", ids)
	}
	s.closed = true
	return nil
}

// The calls that only the owner makes.
const (
	callBind = 1 + iota
	callSubmit
	callCancel
	callPoll
	callPending
	callClose
)

var callNames = [...]string{
	callBind: "Bind", callSubmit: "Submit", callCancel: "Cancel", callPoll: "Poll", callPending: "Pending",
	callClose: "Close",
}

// own begins a call that only one goroutine at a time may make, and locks the Sim. What it returns
// ends it.
func (s *Sim) own(call int32) func() {
	if !s.owner.CompareAndSwap(0, call) {
		s.misuse("%s is called while another goroutine is in %s", callNames[call], callNames[s.owner.Load()])
	}
	s.mu.Lock()
	return s.disown
}

func (s *Sim) disown() {
	s.mu.Unlock()
	s.owner.Store(0)
}

func (s *Sim) mustRun() {
	call := callNames[s.owner.Load()]
	if s.closed {
		s.misuse("%s after Close", call)
	}
	if !s.bound {
		s.misuse("%s before Bind", call)
	}
}

// misuse reports that the caller broke the contract.
func (s *Sim) misuse(format string, args ...any) {
	panic(fmt.Sprintf("sim: "+format, args...) + " (" + s.String() + ")")
}
