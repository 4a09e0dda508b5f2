package aio_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// The rewriting rules of docs/migration.md turn what packages net and os have into what aio has,
// whole words only.
func TestMigrationRules(t *testing.T) {
	gofmt, err := exec.LookPath("gofmt")
	if err != nil {
		t.Skip(err)
	}
	doc, err := os.ReadFile("../docs/migration.md")
	if err != nil {
		t.Fatal(err)
	}
	rules := regexp.MustCompile(`(?m)^gofmt -w -r '((net|os)\.(\w+) -> aio\.(\w+))' \.$`).FindAllStringSubmatch(string(doc), -1)
	if len(rules) < 20 {
		t.Fatalf("%d rules found", len(rules))
	}
	before, after := "package p\n\nvar (\n", "package p\n\nvar (\n"
	for i, r := range rules {
		if r[3] != r[4] {
			t.Errorf("%s changes the name", r[1])
		}
		line := fmt.Sprintf("\tv%d = []any{X, *X, func(*X) {}, %s.Not%s}\n", 100+i, r[2], r[3])
		before += strings.ReplaceAll(line, "X", r[2]+"."+r[3])
		after += strings.ReplaceAll(line, "X", "aio."+r[3])
	}
	file := filepath.Join(t.TempDir(), "p.go")
	if err := os.WriteFile(file, []byte(before+")\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, r := range rules {
		if out, err := exec.Command(gofmt, "-w", "-r", r[1], file).CombinedOutput(); err != nil {
			t.Fatalf("%s: %v\n%s", r[1], err, out)
		}
	}
	got, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != after+")\n" {
		t.Errorf("rewritten to\n%s\nwant\n%s", got, after)
	}
	for _, tw := range twins {
		if name := tw.std.Elem().String(); !strings.Contains(string(doc), "'"+name+" -> ") {
			t.Errorf("no rule for %s", name)
		}
	}
}
