package main

import (
	"encoding/json"
	"strings"
	"testing"
)

// Every benchmark of the others works, a small part of it, on each drive.
func TestBench(t *testing.T) {
	needBackend(t)
	for _, drive := range []string{"auto", "thread", "scheduler"} {
		code, out, errs := call(t, "bench --share=0.0002 --json --drive="+drive)
		if code != exitOK {
			t.Fatalf("%s: exit code %d, %s", drive, code, errs)
		}
		var all []benchResult
		if err := json.Unmarshal([]byte(out), &all); err != nil {
			t.Fatal(err)
		}
		for _, r := range all {
			if r.Rate <= 0 || r.Each <= 0 || r.N < 64 {
				t.Errorf("%+v", r)
			}
		}
		if len(all) != len(benches) {
			t.Errorf("%d results, want %d", len(all), len(benches))
		}
	}
	code, out, errs := call(t, "bench --share=0.001 coro-ping-pongs fs")
	if code != exitOK || !strings.Contains(out, "254,049") || strings.Count(out, "\n") != 3 {
		t.Errorf("exit code %d, %s%s", code, out, errs)
	}
	for line, want := range map[string]string{"bench nonsense": "million-timers", "bench --share=0": "--share"} {
		if code, _, errs := call(t, line); code != exitFailed || !strings.Contains(errs, want) {
			t.Errorf("%s: exit code %d, %s", line, code, errs)
		}
	}
}
