// Package report has what a run of stress has found, and writes it: as a table, JSON, JSON lines,
// CSV, Markdown, and as one HTML page with plots that needs nothing else.
package report

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/weirgo/weir/stress/load"
)

// Document is all that a run has found.
type Document struct {
	Title       string        `json:"title"`
	Command     []string      `json:"command"`
	Machine     Machine       `json:"machine"`
	Started     time.Time     `json:"started"`
	Took        time.Duration `json:"took_ns"`
	Interrupted bool          `json:"interrupted"`
	Err         string        `json:"error,omitempty"`
	Notes       []string      `json:"notes,omitempty"`
	Comparisons []Comparison  `json:"comparisons,omitempty"`
	Loads       []Load        `json:"loads,omitempty"`
}

// Comparison is one workload on two sides.
type Comparison struct {
	Workload string `json:"workload"`
	Counts   string `json:"counts"`    // what Row.Count counts: "conns"
	Ops      string `json:"operation"` // "trips"
	Details  string `json:"details"`
	Rows     []Row  `json:"rows"`
}

// Row is one number of workers.
type Row struct {
	Drive string `json:"drive"`
	Count int    `json:"count"`
	Sides []Side `json:"sides"` // two: what is compared with, and what is compared
	Rate  Ratio  `json:"rate_ratio"`
	CPU   Ratio  `json:"cpu_ratio"`
}

// Side has the figures of one side, of each round.
type Side struct {
	Name   string    `json:"side"`
	Rate   []float64 `json:"ops_per_s"`
	P50    []float64 `json:"p50_ns"`
	P99    []float64 `json:"p99_ns"`
	CPU    []float64 `json:"cpu_ns_per_op"`
	Allocs []float64 `json:"allocs_per_op"`
}

// Ratio is the second side's figure divided by that of the first: the median over the rounds, and
// the lowest and the highest.
type Ratio struct {
	Median float64 `json:"median"`
	Min    float64 `json:"min"`
	Max    float64 `json:"max"`
}

// Load is what a target has done under load.
type Load struct {
	Target   string         `json:"target"`
	Side     string         `json:"clients"` // what the clients run on
	Result   *load.Result   `json:"result,omitempty"`
	Accounts *load.Accounts `json:"accounts,omitempty"` // of the messages
	Found    *load.Found    `json:"limit,omitempty"`
	Goal     string         `json:"goal,omitempty"` // of Found
}

// Formats are the names of the formats, which are the extensions of files.
var Formats = []string{"txt", "json", "jsonl", "csv", "md", "html"}

// Write writes d in a format.
func (d *Document) Write(w io.Writer, format string) error {
	switch format {
	case "txt":
		return d.table(w)
	case "json":
		e := json.NewEncoder(w)
		e.SetIndent("", "  ")
		return e.Encode(d)
	case "jsonl":
		return d.lines(w)
	case "csv":
		return d.csv(w)
	case "md":
		return d.markdown(w)
	case "html":
		return d.html(w)
	}
	return fmt.Errorf("no format is called %q: want %s", format, strings.Join(Formats, ", "))
}

// FormatOf is the format of a file.
func FormatOf(path string) (string, error) {
	ext := strings.TrimPrefix(filepath.Ext(path), ".")
	for _, f := range Formats {
		if f == ext {
			return f, nil
		}
	}
	return "", fmt.Errorf("the report %s: want a name that ends in .%s", path, strings.Join(Formats, ", ."))
}

// WriteFile writes d to a file, in the format of its name. The file is there as a whole or not at
// all.
func (d *Document) WriteFile(path string) error {
	format, err := FormatOf(path)
	if err != nil {
		return err
	}
	f, err := os.CreateTemp(filepath.Dir(path), ".report-")
	if err != nil {
		return err
	}
	defer os.Remove(f.Name())
	if err := d.Write(f, format); err != nil {
		f.Close()
		return err
	}
	if err := f.Close(); err != nil {
		return err
	}
	if err := os.Chmod(f.Name(), 0o644); err != nil {
		return err
	}
	return os.Rename(f.Name(), path)
}

// ReadFile reads a document that WriteFile wrote as JSON.
func ReadFile(path string) (*Document, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	d := new(Document)
	if err := json.Unmarshal(text, d); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	if len(d.Comparisons) == 0 && len(d.Loads) == 0 {
		return nil, fmt.Errorf("%s has no figures: want a report that --out NAME.json wrote", path)
	}
	return d, nil
}
