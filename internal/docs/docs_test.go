package docs

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

const root = "../.."

// documents are the paths of all Markdown files of the repository, below its root, with slashes.
func documents(t *testing.T) []string {
	t.Helper()
	names := files(t, ".md")
	for _, known := range []string{"README.md", "docs/architecture.md"} {
		if !slices.Contains(names, known) {
			t.Fatalf("%s was not found among %q: the test looks in the wrong place", known, names)
		}
	}
	return names
}

func files(t *testing.T, ext string) []string {
	t.Helper()
	var names []string
	err := filepath.WalkDir(root, func(name string, d fs.DirEntry, err error) error {
		if err != nil || name == root {
			return err
		}
		base := d.Name()
		if d.IsDir() && (base == ".git" || base == "bin" || base == "testdata") {
			return fs.SkipDir
		}
		if !d.IsDir() && filepath.Ext(name) == ext {
			rel, err := filepath.Rel(root, name)
			names = append(names, filepath.ToSlash(rel))
			return err
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return names
}

func read(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(root, filepath.FromSlash(name)))
	if err != nil {
		t.Fatal(err)
	}
	return strings.ReplaceAll(string(text), "\r\n", "\n")
}

var (
	fence   = regexp.MustCompile("(?ms)^```.*?^```$")
	link    = regexp.MustCompile(`\]\(([^)\s]+)\)`)
	heading = regexp.MustCompile(`(?m)^#+ +(.+)$`)
	notWord = regexp.MustCompile("[^a-z0-9_ -]")
)

// anchors are what a link may have behind "#" in a document: its headings, written as GitHub does.
func anchors(text string) []string {
	var list []string
	for _, m := range heading.FindAllStringSubmatch(fence.ReplaceAllString(text, ""), -1) {
		a := notWord.ReplaceAllString(strings.ToLower(m[1]), "")
		list = append(list, strings.ReplaceAll(a, " ", "-"))
	}
	return list
}

// TestLinks: every link of a document to another file of the repository leads to a file, and to a
// heading of it that is there.
func TestLinks(t *testing.T) {
	for _, name := range documents(t) {
		text := read(t, name)
		for _, m := range link.FindAllStringSubmatch(fence.ReplaceAllString(text, ""), -1) {
			target, anchor, _ := strings.Cut(m[1], "#")
			if strings.Contains(target, "://") || strings.HasPrefix(target, "mailto:") {
				continue
			}
			to := name
			if target != "" {
				to = filepath.ToSlash(filepath.Join(filepath.Dir(name), target))
			}
			if _, err := os.Stat(filepath.Join(root, to)); err != nil {
				t.Errorf("%s links to %s, which is not there", name, m[1])
			} else if anchor != "" && !slices.Contains(anchors(read(t, to)), anchor) {
				t.Errorf("%s links to %s, and %s has no such heading", name, m[1], to)
			}
		}
	}
}

// code is what a document names as code: `like this`.
var code = regexp.MustCompile("`([^`\n]+)`")

// sourcePath is a path of this repository, as documents name it: below one of the directories at
// its root.
var sourcePath = regexp.MustCompile(
	`^(aio|api|backends|cmd|compat|coro|docs|examples|internal|runtime|sched|stress|\.ci|\.github)` +
		`/[\w./-]*\w$`)

// notOurs are names that look like paths: a package of Go's, a pattern, a release to come.
var notOurs = []string{"runtime/trace", "backends/NAME", "api/v0.1.0"}

// TestPaths: every path that a document names is there. The changelog and the decisions are
// history.
func TestPaths(t *testing.T) {
	found := 0
	for _, name := range documents(t) {
		if name == "CHANGELOG.md" || strings.HasPrefix(name, "docs/decisions/") {
			continue
		}
		for _, m := range code.FindAllStringSubmatch(fence.ReplaceAllString(read(t, name), ""), -1) {
			if !sourcePath.MatchString(m[1]) || slices.Contains(notOurs, m[1]) {
				continue
			}
			found++
			if _, err := os.Stat(filepath.Join(root, m[1])); err != nil {
				t.Errorf("%s names %s, which is not there", name, m[1])
			}
		}
	}
	if found < 20 {
		t.Errorf("only %d paths were found in the documents", found)
	}
}

// TestArchitecture holds docs/architecture.md to the length that is read in one go.
func TestArchitecture(t *testing.T) {
	const most = 2500
	if n := len(strings.Fields(read(t, "docs/architecture.md"))); n >= most {
		t.Errorf("docs/architecture.md has %d words; the limit is %d. Move why something is so to docs/decisions.",
			n, most)
	}
}

// TestGlossary: each word of the glossary in docs/architecture.md has a declaration in the code, or
// a file.
func TestGlossary(t *testing.T) {
	_, section, ok := strings.Cut(read(t, "docs/architecture.md"), "## Glossary")
	if !ok {
		t.Fatal("docs/architecture.md has no glossary")
	}
	declared := declarations(t)
	words := 0
	for line := range strings.Lines(section) {
		cells := strings.Split(strings.TrimSpace(line), "|")
		if len(cells) != 5 || cells[1] == "---" || strings.TrimSpace(cells[1]) == "word" {
			continue
		}
		words++
		word := strings.TrimSpace(cells[1])
		names := code.FindAllStringSubmatch(cells[3], -1)
		if len(names) == 0 {
			t.Errorf("%s: the third column names nothing in the code", word)
		}
		for _, m := range names {
			if _, err := os.Stat(filepath.Join(root, m[1])); err != nil && !declared[m[1]] {
				t.Errorf("%s: nothing in the code is called %s. Put the word that the code uses now into the glossary.",
					word, m[1])
			}
		}
	}
	if words < 20 {
		t.Errorf("only %d words were found in the glossary", words)
	}
}

// declarations are the names of all functions, methods, types, constants, variables and fields in
// the module's code, tests aside.
func declarations(t *testing.T) map[string]bool {
	t.Helper()
	names := make(map[string]bool)
	set := token.NewFileSet()
	for _, name := range files(t, ".go") {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		f, err := parser.ParseFile(set, name, read(t, name), parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(f, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.FuncDecl:
				names[n.Name.Name] = true
			case *ast.TypeSpec:
				names[n.Name.Name] = true
			case *ast.ValueSpec:
				for _, id := range n.Names {
					names[id.Name] = true
				}
			case *ast.Field:
				for _, id := range n.Names {
					names[id.Name] = true
				}
			}
			return true
		})
	}
	return names
}

// goBlock is a piece of Go code in a document.
var goBlock = regexp.MustCompile("(?ms)^```go\n(.*?)^```$")

// TestGuideCode: each piece of Go code that README and the guide show is in a file below examples,
// line for line, as it stands or indented. Those files are compiled, and their tests run them.
func TestGuideCode(t *testing.T) {
	sources := make(map[string][]string)
	for _, name := range files(t, ".go") {
		if strings.HasPrefix(name, "examples/") {
			sources[name] = strings.Split(read(t, name), "\n")
		}
	}
	blocks := 0
	for _, name := range documents(t) {
		if name != "README.md" && !strings.HasPrefix(name, "docs/guide/") {
			continue
		}
		for _, m := range goBlock.FindAllStringSubmatch(read(t, name), -1) {
			blocks++
			piece := strings.Split(strings.TrimSuffix(m[1], "\n"), "\n")
			inLines := func(lines []string) bool { return contains(lines, piece) }
			if !slices.ContainsFunc(slices.Collect(maps.Values(sources)), inLines) {
				t.Errorf("%s shows code that is in no file below examples:\n%s", name, m[1])
			}
		}
	}
	if blocks < 20 {
		t.Errorf("only %d pieces of code were found", blocks)
	}
}

// contains reports whether piece is a part of lines.
func contains(lines, piece []string) bool {
	for i := range len(lines) - len(piece) + 1 {
		if slices.Equal(lines[i:i+len(piece)], piece) {
			return true
		}
	}
	return false
}

// TestGuideIndex: the guide's index lists its chapters, all of them.
func TestGuideIndex(t *testing.T) {
	index := read(t, "docs/guide/README.md")
	chapters := 0
	for _, name := range documents(t) {
		chapter, ok := strings.CutPrefix(name, "docs/guide/")
		if !ok || chapter == "README.md" {
			continue
		}
		if chapters++; !strings.Contains(index, "("+chapter+")") {
			t.Errorf("docs/guide/README.md does not list %s", chapter)
		}
	}
	if chapters < 12 {
		t.Errorf("the guide has %d chapters", chapters)
	}
}

// TestDecisionsIndex: the index of decisions lists each, and each page has a question and a
// decision.
func TestDecisionsIndex(t *testing.T) {
	index := read(t, "docs/decisions/README.md")
	for _, name := range documents(t) {
		page, ok := strings.CutPrefix(name, "docs/decisions/")
		if !ok || page == "README.md" {
			continue
		}
		if !strings.Contains(index, "("+page+")") {
			t.Errorf("docs/decisions/README.md does not list %s", page)
		}
		text := read(t, name)
		whole := strings.Contains(text, "## Question\n") && strings.Contains(text, "## Decision\n")
		if page != "non-goals.md" && !whole {
			t.Errorf("%s has no question, or no decision", name)
		}
	}
}

// TestExamplesIndex: examples/README.md lists each program below examples.
func TestExamplesIndex(t *testing.T) {
	index := read(t, "examples/README.md")
	programs := make(map[string]bool)
	for _, name := range files(t, ".go") {
		if dir, ok := strings.CutPrefix(filepath.ToSlash(filepath.Dir(name)), "examples/"); ok {
			programs[dir] = true
		}
	}
	for dir := range programs {
		if !strings.Contains(index, "("+dir+")") {
			t.Errorf("examples/README.md does not list %s", dir)
		}
	}
	if len(programs) < 10 {
		t.Errorf("only %d programs were found", len(programs))
	}
}
