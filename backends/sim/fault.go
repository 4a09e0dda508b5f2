package sim

import (
	"fmt"
	"math/rand/v2"
	"os"
	"reflect"
	"strconv"
	"strings"
	"syscall"

	"github.com/weirgo/weir/backends"
)

// Faults are probabilities from 0, never, to 1, as often as can be. The zero value is a kernel on a
// good day.
//
// All but the last group are things that kernels do, which every loop must bear without its users
// noticing.
type Faults struct {
	// Results of operations.
	Short  float64 // a read or write moves less than it could, but at least one byte
	EINTR  float64 // -EINTR, without effect
	EAGAIN float64 // -EAGAIN, without effect, although MSG_DONTWAIT was not set
	Error  float64 // another errno that fits the operation, without effect; only a close does close

	// When and how results arrive.
	Delay    float64 // an operation is tried only after some time on the virtual clock
	Reorder  float64 // an event overtakes others, or of two operations on one file the later one goes first
	EndMulti float64 // a multishot operation ends with an event that is no failure

	// Cancellation.
	LateSuccess   float64 // a cancel finds its operation, which yet goes on for a while and may succeed
	UnaskedCancel float64 // -ECANCELED without a Cancel: the kernel does it when a thread dies

	// Poll and Wake.
	PartialSubmit float64 // Poll hands over only some of what is queued, and then does not wait
	SpuriousWake  float64 // Poll stops waiting for no reason
	Trickle       float64 // Poll returns only some of the events that are ready
	EatWake       float64 // a Poll that might have waited, but found events, uses up a Wake that came before it

	// Breaches of the contract, which a loop should survive all the same. The conformance suite
	// runs without.
	Stale     float64 // an event arrives for an ID that is not in flight
	Duplicate float64 // a terminal event arrives twice

	// LostCancel: a cancel that finds its operation has no effect, as if a worker had been
	// interrupted at the wrong moment.
	LostCancel float64
}

// Swarm draws the probabilities from seed. About half of them are 0, so that over many seeds each
// fault is seen alone and in all company.
func Swarm(seed uint64) Faults {
	rng := rand.New(rand.NewPCG(seed, 0x5_3a_2d))
	var f Faults
	v := reflect.ValueOf(&f).Elem()
	for i := range v.NumField() {
		p := 0.0
		switch rng.IntN(4) {
		case 2:
			p = rng.Float64() / 20
		case 3:
			p = rng.Float64() / 2
		}
		v.Field(i).SetFloat(p)
	}
	return f
}

// String lists the faults that are not 0.
func (f Faults) String() string {
	var b strings.Builder
	v := reflect.ValueOf(f)
	for i := range v.NumField() {
		if p := v.Field(i).Float(); p != 0 {
			fmt.Fprintf(&b, " %s=%.3g", v.Type().Field(i).Name, p)
		}
	}
	return strings.TrimPrefix(b.String(), " ")
}

// SeedFromEnv is the number in the environment variable WEIR_SIM_SEED, or def if there is none.
func SeedFromEnv(def uint64) uint64 {
	text := os.Getenv("WEIR_SIM_SEED")
	if text == "" {
		return def
	}
	seed, err := strconv.ParseUint(text, 0, 64)
	if err != nil {
		panic("sim: WEIR_SIM_SEED: " + err.Error())
	}
	return seed
}

// chance decides one draw. It leaves the generator alone where there is nothing to decide, so that
// switching a fault off does not change what the others do.
func (s *Sim) chance(p float64) bool { return p > 0 && s.rng.Float64() < p }

// delay is a time that something takes on the virtual clock.
func (s *Sim) delay() int64 { return 1 + s.rng.Int64N(s.maxDelay) }

// fate is what a request was drawn to suffer.
type fate struct {
	errno syscall.Errno // fails with it, if not 0
	first bool          // at the first attempt already, not when it is tried again
	short float64       // moves this share of what it could, if not 0
	lag   int64         // this long before each attempt
}

func (s *Sim) drawFate(r *req) fate {
	var f fate
	p := &s.cfg.Faults
	switch errnos := plausible[r.op.Code]; {
	case r.canSleep() && s.chance(p.EINTR):
		f.errno = syscall.EINTR
	case r.canSleep() && s.chance(p.EAGAIN):
		f.errno = syscall.EAGAIN
	case len(errnos) > 0 && s.chance(p.Error):
		f.errno = errnos[s.rng.IntN(len(errnos))]
	}
	if f.errno != 0 {
		f.first = s.rng.IntN(2) == 0 || !r.canSleep() || r.f.kind == regular
	}
	if s.chance(p.Short) {
		f.short = s.rng.Float64()
	}
	if s.chance(p.Delay) {
		f.lag = s.delay()
	}
	return f
}

// plausible are errnos that the operation may fail with for reasons that are not its caller's.
var plausible = [backends.NumCodes][]syscall.Errno{
	backends.OpRead:      {syscall.EIO, syscall.ENOMEM},
	backends.OpWrite:     {syscall.EIO, syscall.ENOSPC, syscall.ENOMEM},
	backends.OpReadv:     {syscall.EIO, syscall.ENOMEM},
	backends.OpWritev:    {syscall.EIO, syscall.ENOSPC, syscall.ENOMEM},
	backends.OpRecv:      {syscall.ECONNRESET, syscall.ETIMEDOUT, syscall.ENOMEM},
	backends.OpSend:      {syscall.ECONNRESET, syscall.EPIPE, syscall.ENOBUFS, syscall.ENOMEM},
	backends.OpRecvMsg:   {syscall.ECONNRESET, syscall.ETIMEDOUT, syscall.ENOMEM},
	backends.OpSendMsg:   {syscall.ECONNRESET, syscall.EPIPE, syscall.ENOBUFS, syscall.ENOMEM},
	backends.OpAccept:    {syscall.ECONNABORTED, syscall.EMFILE, syscall.ENFILE, syscall.ENOMEM},
	backends.OpConnect:   {syscall.ECONNREFUSED, syscall.ETIMEDOUT, syscall.ENETUNREACH},
	backends.OpPoll:      {syscall.ENOMEM},
	backends.OpShutdown:  {syscall.ENOTCONN},
	backends.OpFsync:     {syscall.EIO, syscall.ENOSPC},
	backends.OpFdatasync: {syscall.EIO, syscall.ENOSPC},
	backends.OpClose:     {syscall.EIO},

	backends.OpSocket:    {syscall.EMFILE, syscall.ENFILE, syscall.ENOBUFS, syscall.ENOMEM},
	backends.OpPipe:      {syscall.EMFILE, syscall.ENFILE, syscall.ENOMEM},
	backends.OpOpen:      {syscall.EMFILE, syscall.ENFILE, syscall.EIO, syscall.ENOMEM},
	backends.OpStatx:     {syscall.EIO, syscall.ENOMEM},
	backends.OpRename:    {syscall.EIO, syscall.ENOSPC},
	backends.OpLink:      {syscall.EIO, syscall.ENOSPC},
	backends.OpUnlink:    {syscall.EIO},
	backends.OpMkdir:     {syscall.EIO, syscall.ENOSPC},
	backends.OpFtruncate: {syscall.EIO},
	backends.OpFallocate: {syscall.EIO, syscall.ENOSPC},
}
