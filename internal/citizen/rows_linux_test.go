package citizen

import "time"

// A row is one load or disturbance of a server, with what is measured beside it.
type row struct {
	name   string
	serve  func(s *server, addresses map[string]string) error // opens what the server needs for it
	begin  func(s *server) error                              // at reqBegin, before what follows
	load   func(p *peer) error                                // starts what the peers do all the time
	probes []probe
	core   bool // what is at the root of most faults: run on each backend, drive and GOMAXPROCS
}

// A probe asks the server for one thing at a fixed pace, and measures how long each answer takes.
type probe struct {
	name  string
	on    string // the listener
	what  byte
	pace  time.Duration
	known time.Duration // what the answer takes at least
}

// Probes of weir on the side of weir, and of net, os and time on the other. None but those of std's
// timers has Go arm one: a timer wakes Go's monitor, which then does all it should.
var ownProbes = []probe{
	{name: "read", on: onSide, what: reqEcho, pace: 2 * time.Millisecond},
	{name: "accept", pace: 5 * time.Millisecond},
	{name: "sleep", on: onSide, what: reqSideSleep, pace: 4 * time.Millisecond, known: nap},
	{name: "file", on: onSide, what: reqFile, pace: 3 * time.Millisecond},
	{name: "cancel", on: onSide, what: reqCancel, pace: 5 * time.Millisecond},
	{name: "Close", on: onSide, what: reqClose, pace: 5 * time.Millisecond},
}

// Probes that are the same on both sides.
var goProbes = []probe{
	{name: "std read", on: onStd, what: reqEcho, pace: 2 * time.Millisecond},
	{name: "goroutine ready", on: onStd, what: reqReady, pace: 2 * time.Millisecond},
	{name: "locked goroutine", on: onStd, what: reqBound, pace: 4 * time.Millisecond},
	{name: "Gosched", on: onStd, what: reqYield, pace: 4 * time.Millisecond},
}

// Probes that are the same on both sides and arm timers of Go's, or stop the world.
var runtimeProbes = []probe{
	{name: "read", on: onSide, what: reqEcho, pace: 2 * time.Millisecond},
	{name: "goroutine ready", on: onStd, what: reqReady, pace: 2 * time.Millisecond},
	{name: "time.Sleep", on: onStd, what: reqSleep, pace: 3 * time.Millisecond, known: nap},
	{name: "timer", on: onSide, what: reqSideTimer, pace: 4 * time.Millisecond, known: nap},
	{name: "time.AfterFunc", on: onStd, what: reqAfter, pace: 3 * time.Millisecond, known: nap},
	{name: "blocking call", on: onStd, what: reqNap, pace: 4 * time.Millisecond, known: nap},
	{name: "world stopped", on: onStd, what: reqStop, pace: 10 * time.Millisecond},
	{name: "collection", on: onStd, what: reqCollect, pace: 25 * time.Millisecond},
}

// Probes of lanes: coroutines on weir.
var laneProbes = []probe{
	{name: "lane read", on: onLane, what: laneEcho, pace: 2 * time.Millisecond},
	{name: "lane sleep", on: onLane, what: laneSleep, pace: 4 * time.Millisecond, known: nap},
	{name: "read", on: onSide, what: reqEcho, pace: 2 * time.Millisecond},
}

// ownWaits names the probes that wait in weir, where there is weir.
var ownWaits = []string{"read", "accept", "sleep", "file", "cancel", "Close", "timer", "lane read", "lane sleep"}

var quietProbes = append(append([]probe{}, ownProbes...), goProbes...)

var rows []row

func init() { // rows name functions that look rows up
	loads := []row{
		{name: "echo", load: echoLoad(onSide, reqEcho)},
		{name: "http", serve: serveHTTP, load: httpLoad},
		{name: "files", begin: beginFiles, load: begins},
		{name: "timers", begin: beginTimers, load: begins},
		{name: "coroutines", serve: serveLanes, load: echoLoad(onLane, laneEcho)},
		{name: "accepts", load: acceptLoad},
	}
	for _, l := range loads {
		l.probes = quietProbes
		rows = append(rows, l)
		l.name += " + runtime"
		l.probes = runtimeProbes
		rows = append(rows, l)
	}
	rows = append(rows,
		row{name: "compute", load: computeLoad(1), probes: quietProbes, core: true},
		row{name: "compute twice", load: computeLoad(2), probes: quietProbes},
		row{name: "long calls", serve: serveCalls, load: repeatLoad(reqCall, 1), probes: quietProbes, core: true},
		row{name: "fsync", serve: serveSync, load: repeatLoad(reqSync, 2), probes: quietProbes},
		row{name: "spin", load: spinLoad, probes: quietProbes},
		row{name: "locked", begin: beginHandover, load: begins, probes: quietProbes},
		row{name: "collections", begin: beginHeap, load: both(begins, repeatLoad(reqCollect, 1)), probes: quietProbes},
		row{name: "traces", load: repeatLoad(reqTrace, 1), probes: quietProbes},
		row{name: "profile", begin: beginProfile, load: both(begins, echoLoad(onSide, reqEcho)), probes: quietProbes},
		row{name: "page faults", serve: serveFaults, load: faultLoad, probes: quietProbes},
		row{name: "greedy peer", load: greedyLoad, probes: quietProbes},
		row{name: "datagrams", serve: serveDatagrams, load: datagramLoad, probes: quietProbes},
		row{name: "lane copies a file", serve: serveLanes, load: laneLoad(laneFile), probes: laneProbes},
		row{name: "lane passes on", serve: serveLanes, load: laneLoad(lanePass), probes: laneProbes},
	)
}
