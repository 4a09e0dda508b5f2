package aio_test

import (
	"runtime"
	"testing"
	"time"
	"weak"

	"github.com/weirgo/weir/aio"
)

// A million Timers that a program dropped kept 632 MiB, and every later operation waited for room.
// Dropped Timers and Tickers are garbage, as those of package time are since Go 1.23. Reports of
// timers: go#14038, go#37196, tinygo#5487.
func TestDroppedTimersAreGarbage(t *testing.T) {
	lib := anywhere(t)
	timer, ticker := weak.Make(lib.NewTimer(time.Hour)), weak.Make(lib.NewTicker(time.Hour))
	for range 100 {
		if runtime.GC(); timer.Value() == nil && ticker.Value() == nil {
			return
		}
	}
	t.Error("a Timer or a Ticker that was dropped is kept")
}

// Reset of a Timer was overridden by the time that it had before, and a Ticker that was late lost
// its beat. Those of package time, which these are, do neither.
func TestTimersArePackageTimes(t *testing.T) {
	lib := anywhere(t)
	var timer *time.Timer = lib.NewTimer(time.Hour)
	var ticker *time.Ticker = aio.NewTicker(time.Hour)
	if timer.Stop(); !aio.NewTimer(time.Hour).Stop() {
		t.Error("a new Timer does not run")
	}
	ticker.Stop()
	if err := lib.Close(); err != nil {
		t.Fatal(err)
	}
	<-lib.NewTimer(1).C
	<-lib.NewTicker(1).C
}
