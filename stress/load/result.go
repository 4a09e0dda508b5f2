package load

import "time"

// Result is what a run has measured. Times are written to JSON as nanoseconds.
type Result struct {
	Workers     int           `json:"workers"`
	Seed        uint64        `json:"seed"`
	Started     time.Time     `json:"started"`
	Took        time.Duration `json:"took_ns"`
	Interrupted bool          `json:"interrupted"`
	Err         string        `json:"error,omitempty"` // that ended the run
	Phases      []PhaseResult `json:"phases"`          // those that began
}

// PhaseResult is what one phase has measured.
type PhaseResult struct {
	Name     string        `json:"name"`
	Schedule string        `json:"schedule"`
	Open     bool          `json:"open"`
	Discard  bool          `json:"discard,omitempty"` // a warm-up
	Planned  time.Duration `json:"planned_ns"`
	Took     time.Duration `json:"took_ns"` // with the drain
	Whole    bool          `json:"whole"`   // it was not cut short

	Ops    uint64            `json:"ops"` // that succeeded
	Errors uint64            `json:"errors"`
	Kinds  map[string]uint64 `json:"errors_by_kind,omitempty"`
	Rate   float64           `json:"ops_per_s"`

	// Of open loops: how many operations a second the schedule had, how many were due in all, how
	// many of these had not begun when the phase ended, and how many had not come back.
	Offered    float64 `json:"offered_per_s,omitempty"`
	Due        uint64  `json:"due,omitempty"`
	Unserved   uint64  `json:"unserved,omitempty"`
	Unfinished uint64  `json:"unfinished,omitempty"`

	// Latency is that of operations that succeeded: in an open loop from the time when each was due.
	// What is unserved or unfinished is part of it with the time it had waited.
	Latency *Histogram `json:"latency"`
	// Service is the time from the call of an operation to its end, and Lag how late after an
	// operation was due a worker that waited for it began: the harness's own part in Latency. Open
	// loops have them.
	Service *Histogram `json:"service,omitempty"`
	Lag     *Histogram `json:"lag,omitempty"`

	CPU    time.Duration `json:"cpu_ns"` // user and system time of this process: the cost of the clients
	Series []Point       `json:"series"`
}

// Point is an interval of a time series.
type Point struct {
	At     time.Duration      `json:"at_ns"` // its end, from the start of the phase
	Time   time.Duration      `json:"time_ns"`
	Ops    uint64             `json:"ops"`
	Errors uint64             `json:"errors"`
	Rate   float64            `json:"ops_per_s"`
	P50    time.Duration      `json:"p50_ns"`
	P99    time.Duration      `json:"p99_ns"`
	P999   time.Duration      `json:"p999_ns"`
	Max    time.Duration      `json:"max_ns"`
	CPU    time.Duration      `json:"cpu_ns"`
	Gauges map[string]float64 `json:"gauges,omitempty"`
}

// CPUPerOp is what an operation cost this process.
func (p *PhaseResult) CPUPerOp() time.Duration {
	if p.Ops == 0 {
		return 0
	}
	return p.CPU / time.Duration(p.Ops)
}

// Measured returns the phases that count: all but warm-ups.
func (r *Result) Measured() []*PhaseResult {
	var all []*PhaseResult
	for i := range r.Phases {
		if !r.Phases[i].Discard {
			all = append(all, &r.Phases[i])
		}
	}
	return all
}
