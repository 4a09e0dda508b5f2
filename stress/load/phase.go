package load

import (
	"runtime"
	"time"
)

// refresh is how often a phase is looked at, and Watch is called at most.
const refresh = 100 * time.Millisecond

// phaseRun is one phase that is run.
type phaseRun struct {
	r       *run
	s       *stage
	all     *record // of the phase up to the last interval
	series  []Point
	cpu     time.Duration // when it began
	last    time.Time     // end of the last interval
	lastCPU time.Duration
}

// phase runs one phase, and reports whether the next may begin.
func (r *run) phase(i int) bool {
	s := newStage(r, &r.Phases[i])
	cpu := cpuTime()
	p := &phaseRun{r: r, s: s, all: newRecord(s.open), cpu: cpu, lastCPU: cpu, last: s.start}
	r.current.Swap(s).close()
	whole := p.pass(s.start.Add(s.Time), nil)
	if whole && s.open {
		whole = p.pass(s.start.Add(s.Time+s.Drain), s.drained)
	}
	p.end(whole)
	r.done += s.Time
	return whole && r.err() == nil
}

// pass waits for the end of the phase, with a look at it every now and then. It reports false if the
// run is to end.
func (p *phaseRun) pass(end time.Time, enough func() bool) bool {
	every := min(refresh, p.r.Interval)
	if enough != nil {
		every = min(every, 5*time.Millisecond)
	}
	for {
		if enough != nil && enough() {
			return true
		}
		left := time.Until(end)
		if left <= 0 {
			return true
		}
		t := time.NewTimer(min(left, every))
		select {
		case <-t.C:
		case <-p.r.outer.Done():
			t.Stop()
			return false
		case <-p.r.stop:
			t.Stop()
			return false
		}
		if time.Since(p.last) >= p.r.Interval {
			p.point()
		}
	}
}

// point ends an interval of the time series.
func (p *phaseRun) point() {
	now, cpu := time.Now(), cpuTime()
	rec := p.s.recorder.collect(p.s.open)
	pt := Point{
		At: now.Sub(p.s.start), Time: now.Sub(p.last), Ops: rec.ops, Errors: rec.errors, CPU: cpu - p.lastCPU,
		P50: rec.latency.Quantile(0.5), P99: rec.latency.Quantile(0.99), P999: rec.latency.Quantile(0.999),
		Max: rec.latency.Max(),
	}
	if pt.Time > 0 {
		pt.Rate = float64(rec.ops) / pt.Time.Seconds()
	}
	if p.r.Gauges != nil {
		pt.Gauges = p.r.Gauges()
	}
	p.all.take(rec)
	p.series = append(p.series, pt)
	p.last, p.lastCPU = now, cpu
	if p.r.Watch != nil {
		p.r.Watch(Progress{Phase: p.s.Name, Done: p.r.done + min(pt.At, p.s.Time), Total: p.r.total, Point: pt})
	}
}

// end closes the phase and keeps its result.
func (p *phaseRun) end(whole bool) {
	s := p.s
	now := time.Now()
	res := PhaseResult{
		Name: s.Name, Schedule: s.Schedule.String(), Open: s.open, Discard: s.Discard, Planned: s.Time,
		Took: now.Sub(s.start), Whole: whole,
	}
	if s.open {
		until := min(s.Time, res.Took)
		unserved, unfinished := s.settle(now, until)
		for _, d := range unserved {
			p.all.latency.record(res.Took - until + d)
		}
		for _, d := range unfinished {
			p.all.latency.record(d)
		}
		res.Unserved, res.Unfinished = uint64(len(unserved)), uint64(len(unfinished))
		res.Offered = s.Schedule.Due(until) / until.Seconds()
	}
	if rest := now.Sub(p.last); len(p.series) == 0 || rest > p.r.Interval/4 {
		p.point()
	} else {
		p.all.take(s.recorder.collect(s.open))
	}
	r := p.all
	res.Ops, res.Errors, res.Kinds = r.ops, r.errors, r.kinds
	res.Due = res.Unserved + res.Unfinished + res.Ops + res.Errors
	if !s.open {
		res.Due = 0
	}
	res.Latency, res.Service, res.Lag = r.latency, r.service, r.lag
	res.Rate = float64(r.ops) / max(res.Took, time.Nanosecond).Seconds()
	res.Series, res.CPU = p.series, cpuTime()-p.cpu
	p.r.result.Phases = append(p.r.result.Phases, res)
}

// drained reports whether all that was due has been done.
func (s *stage) drained() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.dry && s.claimed == s.finished.Load()
}

// settle closes an open loop. It returns how long those operations had waited that did not begin by
// now, and those that have not ended. From then on the stage's workers record nothing.
func (s *stage) settle(now time.Time, until time.Duration) (unserved, unfinished []time.Duration) {
	s.close() // workers that wait for their next operation give it up
	s.mu.Lock()
	for !s.dry {
		at, more := s.due.next()
		if !more || at >= until {
			s.dry = true
			break
		}
		unserved = append(unserved, until-at)
	}
	s.mu.Unlock()
	given := uint64(0)
	for i := range s.busy {
		due := s.busy[i].Swap(0)
		switch waited := now.Sub(s.start) - time.Duration(due-1); {
		case due == 0:
		case waited <= 0:
			given++
		default:
			unfinished = append(unfinished, waited)
		}
	}
	s.given.Add(given)
	// what remains is being recorded at this moment
	for s.claimed != s.finished.Load()+s.given.Load()+uint64(len(unfinished)) {
		runtime.Gosched()
	}
	return unserved, unfinished
}
