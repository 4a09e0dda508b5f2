package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/weirgo/weir/aio"
)

// TestDoctor guards that doctor starts what it can, tests it, and says so in both forms.
func TestDoctor(t *testing.T) {
	var out, errs bytes.Buffer
	status := run([]string{"doctor", "-json"}, &out, &errs)
	var d diagnosis
	if err := json.Unmarshal(out.Bytes(), &d); err != nil || errs.Len() > 0 {
		t.Fatalf("%v, %s", err, &errs)
	}
	if (status == 0) != d.OK || len(d.Backends) != 3 || d.Procs < 1 {
		t.Errorf("status %d, %+v", status, d)
	}
	started := 0
	for _, b := range append(d.Backends, d.Default) {
		if b.Error != "" {
			continue
		}
		started++
		if len(b.Tests) != len(tests)+1 || b.Drive == "" || b.Reason == "" {
			t.Errorf("%+v", b)
		}
		for _, r := range b.Tests {
			if r.Error != "" || r.Took <= 0 {
				t.Errorf("%s on %s: %+v", r.Name, b.Name, r)
			}
		}
	}
	if d.OK && (started < 2 || d.Kernel == "") {
		t.Errorf("%d backends started: %+v", started, d)
	}
	out.Reset()
	run([]string{"doctor"}, &out, &errs)
	for _, want := range []string{"io_uring", "portable starts", "tcp echo"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("%q is not in:\n%s", want, &out)
		}
	}
}

// TestFailure guards that a test that fails is reported, and makes the status.
func TestFailure(t *testing.T) {
	before := tests
	defer func() { tests = before }()
	tests = append(tests[:1:1], tests[0])
	tests[1].name = "broken"
	tests[1].f = func(*aio.IO) error { return errors.New("out of order") }
	var out, errs bytes.Buffer
	if status := run([]string{"doctor"}, &out, &errs); status != 1 || !strings.Contains(out.String(),
		"FAILED: out of order") {
		t.Errorf("status %d:\n%s", status, &out)
	}
}

// TestUsage guards what other arguments get.
func TestUsage(t *testing.T) {
	for _, args := range [][]string{nil, {"what"}, {"version", "x"}, {"doctor", "x"}, {"doctor", "-x"}} {
		var out, errs bytes.Buffer
		if status := run(args, &out, &errs); status != 2 || !strings.Contains(errs.String(), "usage: weir") ||
			out.Len() > 0 {
			t.Errorf("%q: status %d, %s%s", args, status, &out, &errs)
		}
	}
	var out, errs bytes.Buffer
	if status := run([]string{"version"}, &out, &errs); status != 0 || !strings.HasPrefix(out.String(), "weir ") {
		t.Errorf("version: status %d, %s%s", status, &out, &errs)
	}
}
