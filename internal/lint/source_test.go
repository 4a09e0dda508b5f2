package lint

import (
	"bytes"
	"go/ast"
	"go/build"
	"go/build/constraint"
	"go/token"
	"io"
	"path"
	"regexp"
	"slices"
	"strings"
)

// rawAtomics are the files and directories that may use the functions of sync/atomic on plain
// variables.
var rawAtomics = map[string]string{
	"internal/sys":                    "ring heads, tails and flags are words shared with the kernel",
	"internal/giouring/ring_linux.go": "so are those of giouring's ring, which hands out plain pointers",
}

var rawAtomic = regexp.MustCompile(`^(Load|Store|Add|Swap|CompareAndSwap|And|Or)[A-Z]`)

func checkTypedAtomics(f *file, report reporter) {
	for place := range rawAtomics {
		if under(f.path, place) {
			return
		}
	}
	for _, im := range f.imports() {
		if im.path != "sync/atomic" {
			continue
		}
		if im.name == "." {
			report(im.pos, "import sync/atomic by name.")
			continue
		}
		name := im.name
		if name == "" {
			name = "atomic"
		}
		ast.Inspect(f.ast, func(n ast.Node) bool {
			sel, ok := n.(*ast.SelectorExpr)
			if !ok {
				return true
			}
			if id, ok := sel.X.(*ast.Ident); ok && id.Name == name && rawAtomic.MatchString(sel.Sel.Name) {
				report(sel.Pos(), "%s.%s works on a plain variable, which a plain read elsewhere can race with, and "+
					"which is "+
					"misaligned for 64 bits on 386. Use a typed one: atomic.Int32, atomic.Uint64, atomic.Pointer[T].",
					name, sel.Sel.Name)
			}
			return true
		})
	}
}

// maxLines is how long a file may be.
const maxLines = 700

// longFiles are the exceptions, with the length each must not exceed. The numbers only ever go
// down.
var longFiles = map[string]int{
	"internal/sys/abi.go":  900, // the kernel's header in one place, to be read beside it
	"sched/timers_test.go": 730,
}

func (f *file) lines() int { return bytes.Count(f.src, []byte("\n")) }

func checkLength(f *file, report reporter) {
	limit := maxLines
	if n, ok := longFiles[f.path]; ok {
		limit = n
	}
	if n := f.lines(); n > limit {
		report(token.NoPos, "%d lines, and %d is the limit. Split it by what its parts do; a reader should hold a "+
			"file in mind.", n, limit)
	}
}

var leftover = regexp.MustCompile(`\b(TODO|FIXME|XXX)\b`)

func checkLeftovers(f *file, report reporter) {
	if f.test() {
		return
	}
	for _, group := range f.ast.Comments {
		for _, c := range group.List {
			if word := leftover.FindString(c.Text); word != "" {
				report(c.Pos(), "%s: do it, or open an issue and describe here what is so and why.", word)
			}
		}
	}
}

// systems are what constraints are tried on: those that continuous integration vets, and some for
// the width.
var systems = []string{
	"linux/amd64", "linux/386", "linux/arm64", "linux/arm", "linux/riscv64", "linux/s390x", "android/arm64",
	"darwin/arm64", "darwin/amd64", "ios/arm64", "windows/amd64", "windows/arm64", "freebsd/amd64", "netbsd/amd64",
	"openbsd/amd64", "dragonfly/amd64", "solaris/amd64", "illumos/amd64", "aix/ppc64", "plan9/amd64", "js/wasm",
	"wasip1/wasm",
}

// buildsOn are packages that exist on some systems only.
var buildsOn = []struct {
	path string
	on   func(goos string) bool
	hint string
}{
	{"golang.org/x/sys/unix", func(goos string) bool {
		return !slices.Contains([]string{"windows", "plan9", "js",
			"wasip1"}, goos)
	}, "unix"},
	{"golang.org/x/sys/windows", func(goos string) bool { return goos == "windows" }, "windows"},
	{"golang.org/x/sys/plan9", func(goos string) bool { return goos == "plan9" }, "plan9"},
	{"log/syslog", func(goos string) bool { return goos != "windows" && goos != "plan9" }, "unix"},
}

// suffixes look like constraints in a file's name, and go ignores them.
var suffixes = []string{"unix", "posix", "bsd", "other", "generic", "default"}

func checkConstraints(f *file, report reporter) {
	for _, im := range f.imports() {
		for _, b := range buildsOn {
			if !under(im.path, b.path) {
				continue
			}
			for _, system := range systems {
				goos, _, _ := strings.Cut(system, "/")
				if !b.on(goos) && f.matches(system, f.tags()) {
					report(im.pos, "%s does not exist on %s, and this file is built there. End its name in _linux.go "+
						"(or whatever system it is for), or put //go:build %s in front.", im.path, goos, b.hint)
					break
				}
			}
		}
	}
	last := strings.TrimSuffix(strings.TrimSuffix(path.Base(f.path), ".go"), "_test")
	if i := strings.LastIndex(last, "_"); i >= 0 && f.constraint() == nil && slices.Contains(suffixes, last[i+1:]) {
		report(token.NoPos, "go gives no meaning to the %s in this file's name and builds it everywhere. Say in a "+
			"//go:build line where it belongs.", last[i:])
	}
	if !f.matchesAnywhere(nil) {
		report(token.NoPos, "no system builds this file: its name and its //go:build line exclude each other.")
	}
}

// ownTags are the build tags that mean something in this module, and what sets them.
var ownTags = map[string]string{
	"giouring":        "task test:giouring",
	"weir_nolinkname": "task test:nolinkname",
	"weir_nohandoff":  "task test:nolinkname",
	"weir_nopark":     "task test:nolinkname",
	"weir_noprefetch": "task test:nolinkname",
	"weir_portable":   "task test:portable",
	"race":            "go, with -race",
	"msan":            "go, with -msan",
	"asan":            "go, with -asan",
	"ignore":          "nobody: for programs that are started by file name",
}

func checkBuildTags(f *file, report reporter) {
	for _, tag := range f.tags() {
		if ownTags[tag] == "" {
			report(token.NoPos, "nobody sets the build tag %s, so what it switches on is never built. If it is not a "+
				"slip of the "+
				"pen, give it a task that CI runs, and a row in ownTags (internal/lint/source_test.go).", tag)
		}
	}
}

// constraint is the file's //go:build line, or nil.
func (f *file) constraint() constraint.Expr {
	for _, group := range f.ast.Comments {
		if group.Pos() > f.ast.Package {
			break
		}
		for _, c := range group.List {
			if constraint.IsGoBuild(c.Text) {
				expr, err := constraint.Parse(c.Text)
				if err == nil { // vet reports the others
					return expr
				}
			}
		}
	}
	return nil
}

// tags are the words of the constraint that go does not set by itself.
func (f *file) tags() []string {
	var tags []string
	var walk func(constraint.Expr)
	walk = func(x constraint.Expr) {
		switch x := x.(type) {
		case *constraint.TagExpr:
			if !setByGo(x.Tag) && !slices.Contains(tags, x.Tag) {
				tags = append(tags, x.Tag)
			}
		case *constraint.NotExpr:
			walk(x.X)
		case *constraint.AndExpr:
			walk(x.X)
			walk(x.Y)
		case *constraint.OrExpr:
			walk(x.X)
			walk(x.Y)
		}
	}
	walk(f.constraint())
	return tags
}

var (
	knownSystems = strings.Fields("aix android darwin dragonfly freebsd illumos ios js linux netbsd openbsd plan9 " +
		"solaris wasip1 windows " +
		"386 amd64 arm arm64 loong64 mips mips64 mips64le mipsle ppc64 ppc64le riscv64 s390x wasm")
	release = regexp.MustCompile(`^go1\.\d+$`)
)

func setByGo(tag string) bool {
	return slices.Contains(knownSystems, tag) || release.MatchString(tag) ||
		slices.Contains([]string{"unix", "cgo", "gc", "gccgo"}, tag)
}

// oldest is the number of releases of Go up to the one that go.mod asks for: go1.25.
const oldest = 25

// matches reports whether go builds the file on system (GOOS/GOARCH) with these tags: this release,
// or the oldest that weir is for.
func (f *file) matches(system string, tags []string) bool {
	return f.matchesRelease(system, tags, build.Default.ReleaseTags) || f.matchesRelease(system, tags,
		build.Default.ReleaseTags[:oldest])
}

func (f *file) matchesRelease(system string, tags, releases []string) bool {
	ctx := build.Default
	ctx.GOOS, ctx.GOARCH, _ = strings.Cut(system, "/")
	ctx.BuildTags, ctx.ToolTags, ctx.ReleaseTags, ctx.CgoEnabled = tags, nil, releases, true
	ctx.OpenFile = func(string) (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(f.src)), nil }
	ok, err := ctx.MatchFile(path.Split(f.path))
	return ok && err == nil
}

// matchesAnywhere reports whether go builds the file on some system with some set of those of its
// tags that usable allows; nil allows all.
func (f *file) matchesAnywhere(usable func(tag string) bool) bool {
	var tags []string
	for _, tag := range f.tags() {
		if usable == nil || usable(tag) {
			tags = append(tags, tag)
		}
	}
	for set := range 1 << len(tags) {
		var some []string
		for i, tag := range tags {
			if set>>i&1 != 0 {
				some = append(some, tag)
			}
		}
		if slices.ContainsFunc(systems, func(s string) bool { return f.matches(s, some) }) {
			return true
		}
	}
	return false
}

func without(tag string) func(string) bool { return func(t string) bool { return t != tag } }
