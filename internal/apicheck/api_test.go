//go:build linux && (amd64 || arm64) && !race

package apicheck

import (
	"flag"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

const (
	module = "github.com/weirgo/weir"
	root   = "../.."
)

// packages are those that docs/versioning.md promises something about, with the names of their
// listings.
var packages = map[string]string{
	"aio":     "aio.txt",
	"aio/op":  "op.txt",
	"coro":    "coro.txt",
	"inspect": "inspect.txt",
	"runtime": "runtime.txt",
}

var update = flag.Bool("update", false, "write the listings in api anew")

const renew = "If that is what the change is for, run\n\tgo test ./internal/apicheck -update\n" +
	"commit the listing with the change, and say in CHANGELOG.md what a user of weir has to do."

// TestAPI compares what the packages export with the listings in api.
func TestAPI(t *testing.T) {
	var paths []string
	for dir := range packages {
		paths = append(paths, module+"/"+dir)
	}
	listings, err := list(root, paths...)
	if err != nil {
		t.Fatal(err)
	}
	for dir, name := range packages {
		got, path := listings[module+"/"+dir], filepath.Join(root, "api", name)
		if len(got) == 0 {
			t.Fatalf("package %s exports nothing: the test looks in the wrong place", dir)
		}
		if *update {
			if err := os.WriteFile(path, []byte(strings.Join(got, "\n")+"\n"), 0o666); err != nil {
				t.Fatal(err)
			}
			continue
		}
		want := read(t, path)
		if gone, added := without(want, got), without(got, want); len(gone)+len(added) > 0 {
			t.Errorf("package %s does not export what api/%s says.\ngone:\n%s\nnew:\n%s\n%s",
				dir, name, indent(gone), indent(added), renew)
		}
	}
}

// TestReleases compares the listings with those of each release (api/v0.1.0/aio.txt and so on). A
// line that a release had and that is gone must stand in api/removed.txt, behind the name of the
// listing.
func TestReleases(t *testing.T) {
	for _, bad := range broken(t, filepath.Join(root, "api")) {
		t.Error(bad)
	}
}

func broken(t *testing.T, api string) (bad []string) {
	t.Helper()
	releases, err := filepath.Glob(filepath.Join(api, "v*", "*.txt"))
	if err != nil {
		t.Fatal(err)
	}
	removed := read(t, filepath.Join(api, "removed.txt"))
	for _, path := range releases {
		name := filepath.Base(path)
		for _, line := range without(read(t, path), read(t, filepath.Join(api, name))) {
			if !slices.Contains(removed, name+": "+line) {
				bad = append(bad, filepath.Base(filepath.Dir(path))+" has "+name+": "+line+
					"\nand now that is gone. Keep it as a deprecated name, or add this line to api/removed.txt.")
			}
		}
	}
	return bad
}

func TestReleasesFindsWhatIsGone(t *testing.T) {
	api := t.TempDir()
	write(t, api, map[string]string{
		"v0.1.0/aio.txt": "func A()\nfunc B()\nfunc C()\n",
		"aio.txt":        "func A()\nfunc D()\n",
		"removed.txt":    "aio.txt: func C()\n",
	})
	bad := broken(t, api)
	if len(bad) != 1 || !strings.Contains(bad[0], "v0.1.0 has aio.txt: func B()") {
		t.Errorf("found %q, want that B is gone", bad)
	}
}

// TestList makes the listing of a small package with everything that a package may export.
func TestList(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, map[string]string{
		"go.mod": "module " + module + "\n\ngo 1.25.0\n",
		"p/p.go": `package p

import (
	"time"

	hid "github.com/weirgo/weir/internal/q"
)

const A, b = 1, 2
const (
	C K = iota
)

var V, w error

type K int

type S[T any] struct {
	F, g int
	hidden
}

type hidden struct{}

type I interface {
	M(x int) error
	own()
}

type H = hid.Hidden
type T = time.Timer

func F(a, b int) (n int, err error) { return }
func f()                            {}
func (s *S[T]) M(v T)               {}
func (h hidden) N()                 {}
`,
		"p/p_windows.go":  "package p\n\nfunc OnWindows() {}\n",
		"p/p_test.go":     "package p\n\nfunc InTests() {}\n",
		"internal/q/q.go": "package q\n\ntype Hidden struct{ X int; y int }\n\nfunc (h *Hidden) Do() {}\n",
	})
	listings, err := list(dir, module+"/p")
	if err != nil {
		t.Fatal(err)
	}
	got := listings[module+"/p"]
	want := []string{
		"const A untyped int",
		"const C K",
		"func F(a int, b int) (n int, err error)",
		"method (*H) Do()",
		"method (*S) M(v T)",
		"method (S) N()",
		"type H = internal/q.Hidden",
		"type H struct",
		"type H struct, X int",
		"type I interface",
		"type I interface, M(x int) error",
		"type I interface, a method of its own",
		"type K int",
		"type S struct",
		"type S struct, F int",
		"type S[T any]",
		"type T = time.Timer",
		"type T struct",
		"type T struct, C <-chan time.Time",
		"var V error",
	}
	if !slices.Equal(got, want) {
		t.Errorf("got\n%s\nwant\n%s", indent(got), indent(want))
	}
}

func write(t *testing.T, dir string, files map[string]string) {
	t.Helper()
	for name, text := range files {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o777); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o666); err != nil {
			t.Fatal(err)
		}
	}
}

func read(t *testing.T, path string) []string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatalf("%v\n%s", err, renew)
	}
	return strings.FieldsFunc(string(text), func(r rune) bool { return r == '\n' })
}

// without are the lines of a that b lacks.
func without(a, b []string) (list []string) {
	for _, line := range a {
		if !slices.Contains(b, line) {
			list = append(list, line)
		}
	}
	return list
}

func indent(lines []string) string { return "\t" + strings.Join(lines, "\n\t") }
