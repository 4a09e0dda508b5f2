package lint

import (
	"strings"
	"testing"
)

// weir starts an import path of this module.
const weir = `"` + modulePath + `/`

// samples are files made up to break a rule, or to come close and not break it: each rule needs
// both.
var samples = []struct {
	rule, path, src string
	want            string // part of the one report expected; "" if there must be none
}{
	// http: what serves it stands above all that others link.
	{"http", "aio/x.go", `package aio; import "net/http"`, "aio must not import net/http"},
	{"http", "coro/x.go", `package coro; import _ "net/http/pprof"`, "coro must not import net/http/pprof"},
	{"http", "runtime/x.go", `package runtime; import "expvar"`, "runtime must not import expvar"},
	{"http", "inspect/x.go", `package inspect; import "net/http"`, ""},
	{"http", "aio/x_test.go", `package aio; import "net/http"`, ""},

	// layers: every arrow of the picture, the wrong way round.
	{"layers", "sched/x.go", `package sched; import ` + weir + `backends"`, "sched must not import backends"},
	{"layers", "sched/x.go", `package sched; import ` + weir + `internal/sys"`, "sched must not import internal/sys"},
	{"layers", "backends/x.go", `package backends; import ` + weir + `backends/uring"`,
		"backends must not import backends/uring"},
	{"layers", "backends/x.go", `package backends; import ` + weir + `internal/probe"`,
		"must not import internal/probe"},
	{"layers", "backends/x.go", `package backends; import ` + weir + `internal/sys"`, ""},
	{"layers", "backends/epoll/x.go", `package epoll; import ` + weir + `backends/uring"`,
		"must not import backends/uring"},
	{"layers", "backends/epoll/x.go", `package epoll; import ` + weir + `sched"`, "must not import sched"},
	{"layers", "backends/epoll/x.go", `package epoll; import (` + weir + `backends"; ` + weir + `internal/sys")`, ""},
	{"layers", "backends/uring/x.go", `package uring; import aiort ` + weir + `runtime"`, "must not import runtime"},
	{"layers", "runtime/x.go", `package runtime; import ` + weir + `aio"`, "runtime must not import aio"},
	{"layers", "runtime/x.go", `package runtime; import (` + weir + `sched"; ` + weir + `backends/kqueue")`, ""},
	{"layers", "runtime/x.go", `package runtime; import ` + weir + `backends/backendtest"`, "is for tests"},
	{"layers", "aio/x.go", `package aio; import ` + weir + `backends/uring"`, "aio must not import backends/uring"},
	{"layers", "aio/x.go", `package aio; import ` + weir + `coro"`, "aio must not import coro"},
	{"layers", "aio/op/x.go", `package op; import ` + weir + `aio"`, "aio/op must not import aio"},
	{"layers", "aio/x.go", `package aio; import ` + weir + `internal/park"`, "aio must not import internal/park"},
	{"layers", "aio/x.go", `package aio; import ` + weir + `internal/prefetch"`, "aio must not import internal/prefetch"},
	{"layers", "aio/x.go", `package aio; import ` + weir + `internal/backoff"`, "aio must not import internal/backoff"},
	{"layers", "aio/x.go", `package aio; import ` + weir + `sched"`, "aio must not import sched"},
	{"layers", "internal/fd/x.go", `package fd; import ` + weir + `aio"`, "internal/fd must not import aio"},
	{"layers", "aio/x.go", `package aio; import (` + weir + `aio/op"; ` + weir + `internal/sys")`, ""},
	{"layers", "coro/x.go", `package coro; import ` + weir + `examples/echo"`, "coro must not import examples/echo"},
	{"layers", "coro/x.go", `package coro; import ` + weir + `aio"`, ""},
	{"layers", "coro/x.go", `package coro; import ` + weir + `inspect"`, "coro must not import inspect"},
	{"layers", "inspect/x.go", `package inspect; import ` + weir + `backends"`, "inspect must not import backends"},
	{"layers", "examples/echo/main.go", `package main; import ` + weir + `internal/sys"`,
		"must not import internal/sys"},
	{"layers", "examples/echo/main.go", `package main; import ` + weir + `coro"`, ""},
	{"layers", "internal/sys/x.go", `package sys; import ` + weir + `backends"`,
		"internal/sys must not import backends"},
	{"layers", "doc.go", `package weir; import "` + modulePath + `/aio"`, ". must not import aio"},
	{"layers", "aio/x.go", `package aio; import "` + modulePath + `"`, "aio must not import ."},
	// layers: tests reach sideways, not up.
	{"layers", "backends/uring/x_test.go", `package uring_test; import ` + weir + `backends/backendtest"`, ""},
	{"layers", "aio/x_test.go", `package aio_test; import ` + weir + `backends/sim"`, ""},
	{"layers", "aio/x_test.go", `package aio_test; import ` + weir + `coro"`, "stands above it"},
	{"layers", "aio/op/example_test.go", `package op_test; import ` + weir + `aio"`, ""},
	{"layers", "aio/op/example_test.go", `package op; import ` + weir + `aio"`, "stands above it"},
	{"layers", "sched/x_test.go", `package sched_test; import aiort ` + weir + `runtime"`, "stands above it"},
	{"layers", "sched/x_test.go", `package sched_test; import ` + weir + `sched"`, ""},
	{"layers", "internal/citizen/x_test.go", `package citizen; import (` + weir + `coro"; ` + weir + `aio"; ` + weir +
		`internal/sys/systest")`, ""},
	{"layers", "internal/citizen/x.go", `package citizen; import ` + weir + `aio"`,
		"internal/citizen must not import aio"},
	{"layers", "aio/x.go", `package aio; import ` + weir + `internal/citizen"`, "is for tests"},
	// layers: what the table does not know.
	{"layers", "pool/x.go", `package pool`, "package pool has no layer"},
	{"layers", "coro/deep/x.go", `package deep`, "package coro/deep has no layer"},
	{"layers", "backends/uring/deep/x.go", `package deep`, "package backends/uring/deep has no layer"},
	{"layers", "aio/x.go", `package aio; import ` + weir + `pool"`, "pool has no layer"},
	{"layers", "aio/x_test.go", `package aio; import ` + weir + `stress"`, "stress has no layer"},

	{"dependencies", "sched/x_linux.go", `package sched; import "golang.org/x/sys/unix"`,
		"sched must not import golang.org/x/sys/unix"},
	{"dependencies", "runtime/x_linux.go", `package runtime; import "golang.org/x/sys/unix"`,
		"runtime must not import"},
	{"dependencies", "backends/sim/x_linux.go", `package sim; import "golang.org/x/sys/unix"`,
		"backends/sim must not import"},
	{"dependencies", "sched/x_linux_test.go", `package sched; import "golang.org/x/sys/unix"`, ""},
	{"dependencies", "internal/probe/x_linux.go", `package probe; import "golang.org/x/sys/unix"`, ""},
	{"dependencies", "backends/epoll/x_linux.go", `package epoll; import "golang.org/x/sys/unix"`, ""},
	{"dependencies", "aio/x.go", `package aio; import "github.com/sirupsen/logrus"`, "would become a dependency"},
	{"dependencies", "aio/x.go", `package aio; import "golang.org/x/sys/windows"`, "would become a dependency"},
	{"dependencies", "aio/x_test.go", `package aio; import "go.uber.org/goleak"`, ""},
	{"dependencies", "aio/x.go", `package aio; import "net/http"`, ""},
	{"dependencies", "backends/uring/x_linux.go", `package uring; import "github.com/pawelgaczynski/giouring"`,
		"without the build tag giouring"},
	{"dependencies", "backends/uring/x_linux.go", "//go:build !giouring\n\npackage uring\nimport " +
		"\"github.com/pawelgaczynski/giouring\"", "without the build tag"},
	{"dependencies", "backends/uring/x_linux_test.go", `package uring; import "github.com/pawelgaczynski/giouring"`,
		"without the build tag giouring"},
	{"dependencies", "internal/giouring/x_linux.go", "//go:build giouring\n\npackage giouring\nimport " +
		"\"github.com/pawelgaczynski/giouring\"", ""},
	{"dependencies", "runtime/x_linux_test.go", "//go:build giouring\n\npackage runtime\nimport " +
		"\"github.com/pawelgaczynski/giouring\"", "runtime must not import"},

	{"unsafe", "aio/x.go", `package aio; import "unsafe"`, "package unsafe is for"},
	{"unsafe", "sched/x_test.go", `package sched; import _ "unsafe"`, "package unsafe is for"},
	{"unsafe", "internal/probe/x.go", `package probe; import "unsafe"`, "package unsafe is for"},
	{"unsafe", "backends/uring/x.go", `package uring; import "unsafe"`, ""},
	{"unsafe", "internal/sys/x.go", `package sys; import "unsafe"`, ""},

	{"runtime-alias", "aio/x.go", `package aio; import ` + weir + `runtime"`, "import weir's runtime as aiort"},
	{"runtime-alias", "aio/x_test.go", `package aio; import rt ` + weir + `runtime"`, "import weir's runtime as aiort"},
	{"runtime-alias", "aio/x.go", `package aio; import ("runtime"; aiort ` + weir + `runtime")`, ""},
	{"runtime-alias", "runtime/loop.go", `package runtime; import stdruntime "runtime"`, "only std.go imports"},
	{"runtime-alias", "runtime/std.go", `package runtime; import "runtime"`, "as stdruntime"},
	{"runtime-alias", "runtime/std.go", `package runtime; import stdruntime "runtime"`, ""},
	{"runtime-alias", "runtime/x_test.go", `package runtime_test; import "runtime"`, "as stdruntime"},
	{"runtime-alias", "runtime/x_test.go", `package runtime_test; import stdruntime "runtime"`, ""},

	{"runtime-names", "runtime/x.go", `package runtime; func Gosched() {}`, "has a Gosched too"},
	{"runtime-names", "runtime/x.go", `package runtime; type Pinner struct{}`, "has a Pinner too"},
	{"runtime-names", "runtime/x.go", `package runtime; const Loops, GOOS = 1, 2`, "has a GOOS too"},
	{"runtime-names", "runtime/x_windows.go", `package runtime; var MemProfileRate int`, "has a MemProfileRate too"},
	{"runtime-names", "runtime/x.go", `package runtime; type Loop struct{}; func (Loop) Stack() {}; func gosched() {}`, ""},
	{"runtime-names", "sched/x.go", `package sched; func Gosched() {}`, ""},

	{"typed-atomics", "sched/x.go", `package sched; import "sync/atomic"; func f(p *uint32) uint32 { return atomic.LoadUint32(p) }`, "atomic.LoadUint32"},
	{"typed-atomics", "sched/x_test.go", `package sched; import a "sync/atomic"; func f(p *int64) { a.AddInt64(p, 1) }`,
		"a.AddInt64"},
	{"typed-atomics", "aio/x.go", `package aio; import . "sync/atomic"`, "import sync/atomic by name"},
	{"typed-atomics", "backends/uring/ring_linux.go", `package uring; import "sync/atomic"; var f = atomic.StoreUint32`,
		"atomic.StoreUint32"},
	{"typed-atomics", "internal/sys/ring_linux.go",
		`package sys; import "sync/atomic"; var f = atomic.StoreUint32`, ""},
	{"typed-atomics", "sched/x.go", `package sched; import "sync/atomic"; var n atomic.Uint32; func f() uint32 { return n.Load() }`, ""},

	{"length", "aio/x.go", "package aio\n" + strings.Repeat("\n", maxLines), "701 lines, and 700 is the limit"},
	{"length", "aio/x.go", "package aio\n" + strings.Repeat("\n", maxLines-1), ""},
	{"length", "internal/sys/abi.go", "package sys\n" + strings.Repeat("\n", maxLines), ""},
	{"length", "internal/sys/abi.go", "package sys\n" + strings.Repeat("\n", 2000), "2001 lines"},

	{"columns", "runtime/x.go", "package aio\n\n// " + strings.Repeat("x", 98), "101 columns of comment"},
	{"columns", "runtime/x.go", "package aio\n\n// " + strings.Repeat("ö", 97), ""},
	{"columns", "runtime/x.go", "package aio\n\nfunc f() {\n\t// " + strings.Repeat("x", 94) + "\n}",
		"101 columns of comment"},
	{"columns", "runtime/x.go", "package aio\n\nconst c = \"" + strings.Repeat("x", 109) + "\"", "121 columns of code"},
	{"columns", "runtime/x.go", "package aio\n\nconst c = \"" + strings.Repeat("x", 108) + "\"", ""},
	{"columns", "runtime/x.go", "package aio\n\nconst c = `" + strings.Repeat("x", 200) + "`", ""},
	{"columns", "runtime/x.go", "package aio\n\nconst c, d = ``, \"" + strings.Repeat("x", 109) + "\"",
		"columns of code"},
	{"columns", "aio/x_test.go", "package aio\n\n// " + strings.Repeat("x", 98), "101 columns of comment"},
	{"columns", "sched/x.go", "package sched\n\n//go:linkname " + strings.Repeat("x", 100) + " y\n", ""},

	{"leftovers", "aio/x.go", "package aio\n// TODO: the rest\n", "TODO"},
	{"leftovers", "aio/x.go", "package aio\nfunc f() {\n/* and FIXME(you) */\n}", "FIXME"},
	{"leftovers", "aio/x.go", "package aio // XXX\n", "XXX"},
	{"leftovers", "aio/x.go", "package aio\nconst TODO = `// FIXME` // about toDo lists\n", ""},
	{"leftovers", "aio/x_test.go", "package aio // TODO\n", ""},

	{"persons", "runtime/x.go", "package aio\n\n// f wakes whoever waits.\nfunc f() {}", "whoever"},
	{"persons", "aio/x_test.go", "package aio // Nobody waits.\n", "Nobody"},
	{"persons", "runtime/x.go", "package aio\n\n/* of those who wait */", "who"},
	{"persons", "runtime/x.go", "package aio // whose waiters wait for the whole\n", ""},
	{"persons", "runtime/x.go", "package aio\n\nvar who = `// nobody`", ""},

	{"constraints", "aio/x.go", `package aio; import "golang.org/x/sys/unix"`, "does not exist on windows"},
	{"constraints", "aio/x.go", "//go:build !windows\n\npackage aio\nimport \"golang.org/x/sys/unix\"",
		"does not exist on plan9"},
	{"constraints", "aio/x_unix.go", "//go:build unix\n\npackage aio\nimport \"golang.org/x/sys/unix\"", ""},
	{"constraints", "aio/x_linux_test.go", `package aio; import "golang.org/x/sys/unix"`, ""},
	{"constraints", "internal/sys/x.go", `package sys; import "golang.org/x/sys/windows"`, "does not exist on linux"},
	{"constraints", "aio/x_unix.go", `package aio`, "no meaning to the _unix"},
	{"constraints", "aio/x_other_test.go", `package aio`, "no meaning to the _other"},
	{"constraints", "aio/x_other.go", "//go:build !linux\n\npackage aio", ""},
	{"constraints", "aio/x_default_linux.go", `package aio`, ""},
	{"constraints", "aio/x_linux_default.go", "package aio", "no meaning to the _default"},
	{"constraints", "aio/x_linux.go", "//go:build !linux\n\npackage aio", "no system builds this file"},
	{"constraints", "aio/x_linux.go", "//go:build !go1.26\n\npackage aio", ""},
	{"constraints", "aio/x_linux.go", "//go:build !go1.25\n\npackage aio", "no system builds this file"},
	{"constraints", "aio/x_linux.go", "//go:build giouring && !race\n\npackage aio", ""},

	{"build-tags", "aio/x.go", "//go:build giourring || linux\n\npackage aio", "nobody sets the build tag giourring"},
	{"build-tags", "aio/x_test.go", "//go:build linux && !weir_nolinkname && go1.25 && (amd64 || " +
		"cgo)\n\npackage aio", ""},
	{"build-tags", "aio/x.go", "package aio\n\n//go:build too_late\n", ""},

	{"linknames", "aio/x.go", "package aio\n\n//go:linkname now runtime.nanotime\nfunc now() int64\n",
		"runtime.nanotime is bound"},
	{"linknames", "internal/park/x.go", "//go:build !go1.28 && !weir_nopark && !weir_nolinkname\n\npackage " +
		"park\n\n//go:linkname p runtime.gopark\nfunc p()\n", "with the tag go1.27"},
	{"linknames", "internal/park/x.go", "//go:build !go1.27 && !weir_nopark\n\npackage park\n\n//go:linkname p " +
		"runtime.gopark\nfunc p()\n", "with the tag weir_nolinkname"},
	{"linknames", "internal/park/x.go", "//go:build !go1.27 && !weir_nolinkname\n\npackage park\n\n//go:linkname p " +
		"runtime.gopark\nfunc p()\n", "with the tag weir_nopark"},
	{"linknames", "internal/park/x.go", "//go:build !go1.27 && !weir_nopark && !weir_nolinkname\n\npackage " +
		"park\n\n//go:linkname p runtime.gopark\nfunc p()\n", ""},
}

// TestSamples shows the rules to work: a rule that reports nothing is worth nothing.
func TestSamples(t *testing.T) {
	byName := make(map[string]rule)
	for _, r := range rules {
		byName[r.name] = r
	}
	type seen struct{ bad, good bool }
	covered := make(map[string]seen)
	for _, s := range samples {
		r, ok := byName[s.rule]
		if !ok {
			t.Fatalf("there is no rule %s", s.rule)
		}
		f, err := parse(s.path, []byte(s.src))
		if err != nil {
			t.Fatal(err)
		}
		c := covered[s.rule]
		c.good = c.good || s.want == ""
		c.bad = c.bad || s.want != ""
		covered[s.rule] = c

		got := r.apply(f)
		switch {
		case s.want == "" && len(got) > 0:
			t.Errorf("%s finds fault with a good %s:\n%s\n\n%s", s.rule, s.path, s.src, strings.Join(got, "\n"))
		case s.want == "":
		case len(got) != 1 || !strings.Contains(got[0], s.want) || !strings.HasPrefix(got[0], s.path+":"):
			t.Errorf("%s on %s:\n%s\n\ngot  %q\nwant one report with %q", s.rule, s.path, s.src, got, s.want)
		}
	}
	for _, r := range rules {
		if c := covered[r.name]; !c.bad || !c.good {
			t.Errorf("rule %s needs a sample that breaks it and one that does not", r.name)
		}
	}
}
