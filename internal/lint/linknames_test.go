package lint

import (
	"go/token"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// untried is the tag of the oldest release of Go on which weir's suites have not been run. Files
// that bind symbols of Go's runtime are not built from there on: what such a symbol does may change
// without a word. When all that .ci/run runs has passed on a release it is raised, here and in
// those files.
const untried = "go1.27"

// tried is the one before it, as the documents call it.
const tried = "Go 1.26"

// linknames are the symbols of Go's runtime that weir binds, by the package that does, and the tag
// that leaves out those of it.
var linknames = map[string]struct {
	tag     string
	symbols []string
}{
	"internal/sys":      {"weir_nohandoff", []string{"runtime.entersyscallblock", "runtime.exitsyscall"}},
	"internal/park":     {"weir_nopark", []string{"runtime.gopark", "runtime.goready", "runtime.goyield"}},
	"internal/prefetch": {"weir_noprefetch", []string{"runtime.procPin", "runtime.procUnpin"}},
}

// bound are the symbols that a file binds.
func (f *file) bound() []string {
	var names []string
	for _, group := range f.ast.Comments {
		for _, c := range group.List {
			if words := strings.Fields(c.Text); len(words) == 3 && words[0] == "//go:linkname" {
				names = append(names, words[2])
			}
		}
	}
	return names
}

func checkLinknames(f *file, report reporter) {
	for _, name := range f.bound() {
		row := linknames[f.dir()]
		if !slices.Contains(row.symbols, name) {
			report(token.NoPos, "%s is bound. Each symbol of Go's runtime is one more that a release of Go can take "+
				"away: add it to linknames (internal/lint/linknames_test.go), README.md and SECURITY.md, with a "+
				"plain path beside it.", name)
			continue
		}
		for _, tag := range []string{untried, row.tag, "weir_nolinkname"} {
			for _, system := range systems {
				if f.matches(system, []string{tag}) {
					report(token.NoPos, "%s is bound with the tag %s, too (on %s). Begin the file with //go:build "+
						"!%s && !%s && !weir_nolinkname.",
						name, tag, system, untried, row.tag)
					break
				}
			}
		}
	}
}

// TestLinknames: what weir binds is what the table says, README.md and SECURITY.md name each symbol
// and each tag, and under every set of the tags a package has each of its functions once, from the
// file that binds or the plain one.
func TestLinknames(t *testing.T) {
	files, err := load(moduleRoot)
	if err != nil {
		t.Fatal(err)
	}
	found := make(map[string]bool)
	for _, f := range files {
		for _, name := range f.bound() {
			found[name] = true
		}
	}
	for dir, row := range linknames {
		for _, name := range append(row.symbols, row.tag, untried, "weir_nolinkname") {
			if strings.HasPrefix(name, "runtime.") && !found[name] {
				t.Errorf("%s does not bind %s any more", dir, name)
			}
			for _, doc := range []string{"README.md", "SECURITY.md"} {
				text, err := os.ReadFile(filepath.Join(moduleRoot, doc))
				if err != nil {
					t.Fatal(err)
				}
				if what := strings.Replace(strings.TrimPrefix(name, "runtime."), untried, tried,
					1); !strings.Contains(string(text), what) {
					t.Errorf("%s does not name %s", doc, what)
				}
			}
		}
		for set := range 1 << 3 {
			var tags []string
			for i, tag := range []string{row.tag, "weir_nolinkname", untried} {
				if set>>i&1 != 0 {
					tags = append(tags, tag)
				}
			}
			for _, system := range []string{"linux/amd64", "linux/arm64", "linux/386", "darwin/arm64",
				"windows/amd64"} {
				for name, in := range declared(files, dir, system, tags) {
					if len(in) != 1 {
						t.Errorf("%s on %s with tags %q: %s is in %q", dir, system, tags, name, in)
					}
				}
			}
		}
	}
}

// declared maps what a package declares in one of its files that depend on linknames to the files
// that are built.
func declared(files []*file, dir, system string, tags []string) map[string][]string {
	all := make(map[string][]string)
	var twins []*file
	for _, f := range files {
		if f.dir() == dir && !f.test() && slices.Contains(f.tags(), "weir_nolinkname") {
			twins = append(twins, f)
		}
	}
	if dir == "internal/sys" && !strings.HasPrefix(system, "linux/") {
		return nil // there are no such files
	}
	for _, f := range twins {
		for _, id := range exported(f.ast) {
			all[id.Name] = nil
		}
	}
	for _, f := range twins {
		if f.matches(system, tags) {
			for _, id := range exported(f.ast) {
				all[id.Name] = append(all[id.Name], f.path)
			}
		}
	}
	return all
}
