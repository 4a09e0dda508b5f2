package load

import (
	"encoding/json"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
)

// maxLatency is where times are cut off.
const maxLatency = time.Hour

// digits is the precision of histograms, in decimal digits.
const digits = 3

// Histogram counts times. It is exact to three digits.
type Histogram struct{ h *hdrhistogram.Histogram }

func newHistogram() *Histogram { return &Histogram{hdrhistogram.New(1, int64(maxLatency), digits)} }

// record counts one time. Times that are too long count as the longest.
func (h *Histogram) record(d time.Duration) {
	h.h.RecordValue(int64(min(max(d, 1), maxLatency))) // which is within its range
}

func (h *Histogram) merge(from *Histogram) { h.h.Merge(from.h) }

func (h *Histogram) reset() { h.h.Reset() }

// Count is how many times there are.
func (h *Histogram) Count() uint64 {
	if h == nil {
		return 0
	}
	return uint64(h.h.TotalCount())
}

// Quantile returns the time that a share q of all do not exceed: 0.99 is the 99th percentile.
func (h *Histogram) Quantile(q float64) time.Duration {
	if h.Count() == 0 {
		return 0
	}
	return time.Duration(h.h.ValueAtQuantile(100 * q))
}

// Mean is the average.
func (h *Histogram) Mean() time.Duration {
	if h.Count() == 0 {
		return 0
	}
	return time.Duration(h.h.Mean())
}

// Max is the longest.
func (h *Histogram) Max() time.Duration {
	if h.Count() == 0 {
		return 0
	}
	return time.Duration(h.h.Max())
}

// Quantiles are those that summaries have.
var Quantiles = []float64{0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 0.99, 0.995, 0.999, 0.9995, 0.9999, 0.99999, 1}

// encoded is how a histogram is written as JSON: for programs that read it its summary, and all of
// it in HdrHistogram's own format.
type encoded struct {
	Count     uint64          `json:"count"`
	Mean      time.Duration   `json:"mean_ns"`
	Max       time.Duration   `json:"max_ns"`
	Quantiles [][2]float64    `json:"quantiles_ns"` // share, nanoseconds
	HDR       json.RawMessage `json:"hdr,omitempty"`
}

// MarshalJSON writes a summary, and the whole in HdrHistogram's compressed format.
func (h *Histogram) MarshalJSON() ([]byte, error) {
	e := encoded{Count: h.Count(), Mean: h.Mean(), Max: h.Max()}
	if e.Count > 0 {
		for _, q := range Quantiles {
			e.Quantiles = append(e.Quantiles, [2]float64{q, float64(h.Quantile(q))})
		}
		text, err := h.h.Encode(hdrhistogram.V2CompressedEncodingCookieBase)
		if err != nil {
			return nil, err
		}
		if e.HDR, err = json.Marshal(string(text)); err != nil {
			return nil, err
		}
	}
	return json.Marshal(e)
}

// UnmarshalJSON reads what MarshalJSON wrote.
func (h *Histogram) UnmarshalJSON(text []byte) error {
	var e encoded
	if err := json.Unmarshal(text, &e); err != nil {
		return err
	}
	*h = *newHistogram()
	if len(e.HDR) == 0 {
		return nil
	}
	var hdr string
	if err := json.Unmarshal(e.HDR, &hdr); err != nil {
		return err
	}
	all, err := hdrhistogram.Decode([]byte(hdr))
	if err != nil {
		return err
	}
	h.h = all
	return nil
}
