package lint

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// usersMay are the modules that a program has in its go.mod because it imports weir.
var usersMay = []string{"golang.org/x/sys"}

// public are the packages that a program outside this module may import.
func public(files []*file) []string {
	var dirs []string
	for _, f := range files {
		if !f.test() && f.ast.Name.Name != "main" && !under(f.dir(), "internal") && !slices.Contains(testSupport,
			f.dir()) {
			dirs = append(dirs, f.dir())
		}
	}
	slices.Sort(dirs)
	return slices.Compact(dirs)
}

// TestUsersDependencies follows the imports of what users import as go mod tidy does: in files for
// every system and with every build tag but "ignore". It ends at modules that users may have.
func TestUsersDependencies(t *testing.T) {
	files, err := load(moduleRoot)
	if err != nil {
		t.Fatal(err)
	}
	for _, bad := range usersImports(files) {
		t.Error(bad)
	}
	sample, err := parse("aio/x_linux.go", []byte("//go:build secret\n\npackage aio\n\nimport "+
		"\"github.com/pawelgaczynski/giouring\"\n"))
	if err != nil {
		t.Fatal(err)
	}
	if got := usersImports(append(files, sample)); len(got) != 1 {
		t.Errorf("an import behind a tag of nobody's: %q", got)
	}
}

func usersImports(files []*file) (bad []string) {
	todo, seen := public(files), make(map[string]bool)
	for len(todo) > 0 {
		dir := todo[0]
		todo = todo[1:]
		if seen[dir] {
			continue
		}
		seen[dir] = true
		for _, f := range files {
			if f.dir() != dir || f.test() || !f.matchesAnywhere(without("ignore")) {
				continue
			}
			for _, im := range f.imports() {
				first, _, _ := strings.Cut(im.path, "/")
				if dir, ok := im.inModule(); ok {
					todo = append(todo, dir)
				} else if strings.Contains(first, ".") && !slices.ContainsFunc(usersMay,
					func(m string) bool { return under(im.path, m) }) {
					bad = append(bad, f.path+": "+im.path+" would be in the go.mod of every program that imports "+
						"weir, whatever tags it is built with: go mod tidy looks at them all")
				}
			}
		}
	}
	return bad
}

// TestUsersGoMod makes a program that imports all of weir and asks go mod tidy what its go.mod
// needs. It takes from the module cache only.
func TestUsersGoMod(t *testing.T) {
	files, err := load(moduleRoot)
	if err != nil {
		t.Fatal(err)
	}
	root, err := filepath.Abs(moduleRoot)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	var source strings.Builder
	source.WriteString("package main\n\nimport (\n")
	for _, pkg := range public(files) {
		if pkg != "." {
			source.WriteString("\t_ \"" + modulePath + "/" + pkg + "\"\n")
		}
	}
	source.WriteString(")\n\nfunc main() {}\n")
	goMod := "module example.com/program\n\ngo 1.25.0\n\nrequire " + modulePath + " v0.0.0\n\nreplace " + modulePath +
		" => " + root + "\n"
	sum, err := os.ReadFile(filepath.Join(root, "go.sum"))
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{"main.go": source.String(), "go.mod": goMod, "go.sum": string(sum)} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	cmd := exec.Command("go", "mod", "tidy")
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "GOFLAGS=-mod=mod", "GOPROXY=off", "GOWORK=off", "GOTOOLCHAIN=local")
	if out, err := cmd.CombinedOutput(); err != nil {
		if strings.Contains(string(out), "GOPROXY=off") {
			t.Skipf("the module cache does not have all that go mod tidy looks at: %s", out)
		}
		t.Fatalf("go mod tidy: %v\n%s", err, out)
	}
	tidy, err := os.ReadFile(filepath.Join(dir, "go.mod"))
	if err != nil {
		t.Fatal(err)
	}
	var required []string
	for line := range strings.Lines(string(tidy)) {
		words := strings.Fields(strings.TrimPrefix(strings.TrimSpace(line), "require "))
		if len(words) >= 2 && strings.HasPrefix(words[1], "v") && words[0] != modulePath {
			required = append(required, words[0])
		}
	}
	if !slices.Equal(required, usersMay) {
		t.Errorf("a program that imports weir requires %q besides, want %q:\n%s", required, usersMay, tidy)
	}
}
