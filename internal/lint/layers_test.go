package lint

import (
	"slices"
	"strings"
	"testing"
)

// layers is the picture in docs/architecture.md as a table, top to bottom. A package may import
// what its row lists and nothing else of this module; so every arrow points down. Tests may import
// more: whatever stands on their own level or below it.
var layers = []layer{
	{".", 9, nil,
		"the root is the module's landing page: documentation and no code"},
	{"inspect/register", 9, []string{"inspect"},
		"the import that registers the handler, apart from it, so that who mounts it elsewhere does not register it"},
	{"examples/...", 8, []string{"coro", "aio", "aio/op", "runtime", "backends"},
		"an example shows what a program outside this module can do, so it uses what such a program would"},
	{"cmd/weir", 8, []string{"aio"},
		"it says what a program gets that uses the facade, so it uses nothing else"},
	{"cmd/...", 8, nil,
		"a program for users that stands beside the library: what it needs must not become what the library needs"},
	{"internal/citizen", 8, nil,
		"it measures all that users may import, from outside, and is a test and nothing else"},
	{"internal/misuse", 8, nil,
		"it calls all that users may import, from outside, and is a test and nothing else"},
	{"inspect", 8, []string{"coro", "aio", "runtime"},
		"it shows what all layers do over HTTP; that nothing below knows it keeps net/http out of them"},
	{"coro", 7, []string{"aio", "aio/op", "runtime", "sched", "backends", "internal/..."},
		"coroutines stand on the facade's types and on the loop; that nothing below knows them keeps both usable " +
			"without them"},
	{"aio", 6, []string{"aio/op", "runtime", "backends", "internal/fd", "internal/sys", "internal/bubble"},
		"the facade has the types, their documentation and their errors, and runs on internal/fd and runtime: how " +
			"calls wait is internal/fd's alone, and which backend there is is runtime's choice"},
	{"aio/op", 5, []string{"runtime", "backends", "internal/..."},
		"an op is a description that the facade submits: it must not need the facade"},
	{"internal/fd", 5, []string{"runtime", "sched", "backends", "internal/..."},
		"it holds the descriptors of aio, as internal/poll does those of net, and decides how their calls wait"},
	{"runtime", 4, []string{"sched", "backends", "backends/*", "internal/..."},
		"the one place that knows every backend, because it holds the table of candidates"},
	{"backends/uring/uringtest", 4, []string{"backends", "backends/uring", "internal/..."},
		"it changes what uring.Open does, for the tests of all that stands on that"},
	{"sched", 3, []string{"internal/park", "internal/bubble"},
		"queues, timers and parkers have no I/O, no syscall and no clock of their own, so they need nothing of this " +
			"module but how a goroutine waits"},
	{"backends/*", 3, []string{"backends", "internal/..."},
		"a backend implements the contract and knows neither its siblings nor the loop that drives it"},
	{"backends", 2, []string{"internal/sys"},
		"the vocabulary is what everybody imports; all it may need is the kernel's encoding of an address or an entry"},
	{"internal/...", 1, []string{"internal/..."},
		"the bottom: whatever it imported could not import it any more"},
}

// testSupport are packages for tests: no program may link them.
var testSupport = []string{"backends/backendtest", "internal/sys/systest", "internal/sys/systest/confine",
	"internal/giouring", "backends/uring/uringtest",
	"internal/citizen", "internal/misuse", "internal/model"}

type layer struct {
	pkg   string   // a directory; name/* stands for those in it, name/... for those in and below it
	level int      // height in the picture
	may   []string // what its files may import, tests aside; written like pkg
	why   string
}

func matches(pattern, dir string) bool {
	if top, ok := strings.CutSuffix(pattern, "/..."); ok {
		return under(dir, top)
	}
	if top, ok := strings.CutSuffix(pattern, "/*"); ok {
		rest, ok := strings.CutPrefix(dir, top+"/")
		return ok && !strings.Contains(rest, "/")
	}
	return pattern == dir
}

// under reports whether name is top or lies below it.
func under(name, top string) bool { return name == top || strings.HasPrefix(name, top+"/") }

func layerOf(dir string) *layer {
	for i := range layers {
		if matches(layers[i].pkg, dir) {
			return &layers[i]
		}
	}
	return nil
}

func checkLayers(f *file, report reporter) {
	from := layerOf(f.dir())
	if from == nil {
		report(f.ast.Package, "package %s has no layer. Add a row to layers in internal/lint/layers_test.go: its "+
			"level, what it may import, and why; and draw it in docs/architecture.md.", f.dir())
		return
	}
	for _, im := range f.imports() {
		dir, ok := im.inModule()
		if !ok || dir == f.dir() {
			continue
		}
		to := layerOf(dir)
		allowed := func(pattern string) bool { return matches(pattern, dir) }
		switch {
		case to == nil:
			report(im.pos, "%s has no layer (or is a module of its own, which this one must not need). If it is a new "+
				"package, add a row to layers in internal/lint/layers_test.go.", dir)
		case f.example(): // shows how programs come to the package, which may be by way of those above it
		case f.test():
			if to.level > from.level {
				report(im.pos, "a test of %s (level %d) imports %s (level %d), which stands above it. Move the test "+
					"up, or use something below in its place.", f.dir(), from.level, dir, to.level)
			}
		case slices.Contains(testSupport, dir) && !slices.Contains(testSupport, f.dir()):
			report(im.pos, "%s is for tests. Import it from _test.go files only.", dir)
		case !slices.ContainsFunc(from.may, allowed):
			report(im.pos, "%s must not import %s: %s. It may import %q. Move the code to the layer that has both, "+
				"or pass in what it needs as a value; if the picture itself is wrong, change layers and "+
				"docs/architecture.md together.",
				f.dir(), dir, from.why, from.may)
		}
	}
}

// TestLayerTable checks the table itself: a row that allowed an arrow up or sideways would make the
// rule a fiction.
func TestLayerTable(t *testing.T) {
	for i, l := range layers {
		if i > 0 && layers[i-1].level < l.level {
			t.Errorf("%s stands below %s in the table and above it by level", l.pkg, layers[i-1].pkg)
		}
		if l.why == "" {
			t.Errorf("%s: say why", l.pkg)
		}
		for _, p := range l.may {
			to := layerOf(strings.NewReplacer("...", "x", "*", "x").Replace(p))
			switch {
			case to == nil:
				t.Errorf("%s may import %s, which has no row", l.pkg, p)
			case to.level >= l.level && p != l.pkg:
				t.Errorf("%s (level %d) may import %s (level %d): that does not point down", l.pkg, l.level, p,
					to.level)
			}
		}
	}
	for _, p := range testSupport {
		if layerOf(p) == nil {
			t.Errorf("testSupport: %s has no row in layers", p)
		}
	}
}
