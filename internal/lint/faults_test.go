package lint

import (
	"go/ast"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

var (
	faultTest   = regexp.MustCompile(`^TestFault(\d+)`)
	faultNumber = regexp.MustCompile(`\d+`)
)

// TestFaultList: the table of faults in docs/faults.md has each number that a test is named after,
// with the package of that test, and no number that nothing tests.
func TestFaultList(t *testing.T) {
	files, err := load(moduleRoot)
	if err != nil {
		t.Fatal(err)
	}
	tested := make(map[int][]string) // the directories of a fault's tests
	for _, f := range files {
		if !f.test() {
			continue
		}
		for _, d := range f.ast.Decls {
			if fn, ok := d.(*ast.FuncDecl); ok && fn.Recv == nil {
				if m := faultTest.FindStringSubmatch(fn.Name.Name); m != nil {
					n, _ := strconv.Atoi(m[1])
					if tested[n] = append(tested[n], f.dir()); n == 0 {
						t.Errorf("%s: the number of %s is none", f.path, fn.Name.Name)
					}
				}
			}
		}
	}
	text, err := os.ReadFile(filepath.Join(moduleRoot, "docs", "faults.md"))
	if err != nil {
		t.Fatal(err)
	}
	listed := make(map[int]string)
	for line := range strings.Lines(string(text)) {
		cells := strings.Split(line, "|")
		if len(cells) != 5 {
			continue
		}
		for _, n := range faultNumber.FindAllString(cells[1], -1) {
			i, _ := strconv.Atoi(n)
			if listed[i] != "" {
				t.Errorf("fault %d has two rows", i)
			}
			listed[i] = cells[3]
		}
	}
	if len(listed) < 10 {
		t.Errorf("only %d faults are found in docs/faults.md", len(listed))
	}
	for _, n := range slices.Sorted(maps.Keys(tested)) {
		if listed[n] == "" {
			t.Errorf("fault %d has tests in %q, and no row in docs/faults.md", n, tested[n])
			continue
		}
		for _, dir := range tested[n] {
			if !strings.Contains(listed[n], "`"+dir+"`") {
				t.Errorf("fault %d has a test in %s, which its row in docs/faults.md does not name", n, dir)
			}
		}
	}
	for n, where := range listed {
		if len(tested[n]) == 0 && !strings.Contains(where, ".ci/environments") {
			t.Errorf("fault %d is in docs/faults.md, and no test has its number", n)
		}
	}
}
