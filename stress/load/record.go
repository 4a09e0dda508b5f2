package load

import (
	"errors"
	"os"
	"runtime"
	"sync"
	"syscall"
	"time"
)

// maxKinds bounds how many kinds of errors are told apart.
const maxKinds = 32

// otherErrors is the kind of those beyond.
const otherErrors = "others"

// record is what operations leave behind.
type record struct {
	ops     uint64 // that succeeded
	errors  uint64
	kinds   map[string]uint64
	latency *Histogram
	service *Histogram // of open loops
	lag     *Histogram // of open loops
}

func newRecord(open bool) *record {
	r := &record{latency: newHistogram()}
	if open {
		r.service, r.lag = newHistogram(), newHistogram()
	}
	return r
}

func (r *record) fail(kind string, n uint64) {
	if r.kinds == nil {
		r.kinds = map[string]uint64{}
	}
	if _, ok := r.kinds[kind]; !ok && len(r.kinds) >= maxKinds {
		kind = otherErrors
	}
	r.kinds[kind] += n
}

// take moves all of from to r.
func (r *record) take(from *record) {
	r.ops += from.ops
	r.errors += from.errors
	for k, n := range from.kinds {
		r.fail(k, n)
	}
	from.ops, from.errors = 0, 0
	clear(from.kinds)
	for _, h := range [][2]*Histogram{{r.latency, from.latency}, {r.service, from.service}, {r.lag, from.lag}} {
		if h[0] != nil && h[1] != nil && h[1].Count() > 0 {
			h[0].merge(h[1])
			h[1].reset()
		}
	}
}

// recorder takes what workers record, on stripes, so that they are in each other's way less. The
// records are those of the present interval.
type recorder struct{ stripes []stripe }

type stripe struct {
	mu sync.Mutex
	r  *record
	_  [64]byte // keeps each stripe on a cache line of its own
}

func newRecorder(open bool) *recorder {
	r := &recorder{make([]stripe, 4*runtime.GOMAXPROCS(0))}
	for i := range r.stripes {
		r.stripes[i].r = newRecord(open)
	}
	return r
}

// outcome is what one operation was. Times that are negative were not measured.
type outcome struct {
	latency, service, lag time.Duration
	err                   error
}

func (r *recorder) add(worker int, o outcome) {
	kind := ""
	if o.err != nil {
		kind = Kind(o.err)
	}
	s := &r.stripes[worker%len(r.stripes)]
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.r.lag != nil && o.lag >= 0 {
		s.r.lag.record(o.lag)
	}
	if o.err != nil {
		s.r.errors++
		s.r.fail(kind, 1)
		return
	}
	s.r.ops++
	s.r.latency.record(o.latency)
	if s.r.service != nil && o.service >= 0 {
		s.r.service.record(o.service)
	}
}

// collect takes what has been recorded since it was called before.
func (r *recorder) collect(open bool) *record {
	all := newRecord(open)
	for i := range r.stripes {
		s := &r.stripes[i]
		s.mu.Lock()
		all.take(s.r)
		s.mu.Unlock()
	}
	return all
}

// Kind names the kind of an error: what differs from one operation to the next, as ports do, is not
// part of it.
func Kind(err error) string {
	var f *Fault
	var errno syscall.Errno
	switch {
	case errors.As(err, &f):
		return f.What.String()
	case errors.As(err, &errno):
		return errno.Error()
	case errors.Is(err, os.ErrDeadlineExceeded):
		return os.ErrDeadlineExceeded.Error()
	}
	for {
		next := errors.Unwrap(err)
		if next == nil {
			break
		}
		err = next
	}
	text := err.Error()
	if len(text) > 80 {
		text = text[:80]
	}
	return text
}
