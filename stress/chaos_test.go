package main

import (
	"strings"
	"testing"
)

// The tormentors from the command: on two worlds, one of them by name.
func TestChaos(t *testing.T) {
	needBackend(t)
	code, out, errs := call(t, "chaos --time=200ms --only=churn,files,timers --backend=epoll,std --drive=auto --seed=3 --dir="+
		t.TempDir())
	if code != exitOK || strings.Count(out, "right") != 6 || !strings.Contains(out, "net and os") {
		t.Errorf("exit code %d, %s%s", code, out, errs)
	}
	code, out, errs = call(t, "chaos --list")
	if code != exitOK || !strings.Contains(out, "cancelstorm") {
		t.Errorf("exit code %d, %s%s", code, out, errs)
	}
	code, out, errs = call(t, "chaos --only=peace")
	if code != exitFailed || !strings.Contains(errs, "no tormentor") {
		t.Errorf("exit code %d, %s%s", code, out, errs)
	}
}

// What fails says how to repeat it. The patience of a nanosecond has everything fail.
func TestChaosFails(t *testing.T) {
	needBackend(t)
	code, out, errs := call(t, "chaos --time=200ms --only=messages --backend=epoll --drive=auto --seed=3 --patience=1ns")
	if code != exitFailed || !strings.Contains(errs, "again: stress chaos --backend=epoll --time=200ms --seed=3 "+
		"--drive=auto --only=messages") || !strings.Contains(errs, "weir-snapshot-3.json") || !strings.Contains(out, "FAILED") {
		t.Errorf("exit code %d, %s%s", code, out, errs)
	}
}

func TestSoak(t *testing.T) {
	needBackend(t)
	code, out, errs := call(t, "soak --time=2s --interval=100ms --only=messages,timers --dir="+t.TempDir())
	if code != exitOK || !strings.Contains(out, "goroutines") || !strings.Contains(out, "slope an hour") {
		t.Errorf("exit code %d, %s%s", code, out, errs)
	}
}
