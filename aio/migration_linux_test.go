package aio_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// The rewriting rules of docs/migration.md turn what package net has into what aio has, whole words only.
func TestMigrationRules(t *testing.T) {
	gofmt, err := exec.LookPath("gofmt")
	if err != nil {
		t.Skip(err)
	}
	doc, err := os.ReadFile("../docs/migration.md")
	if err != nil {
		t.Fatal(err)
	}
	rules := regexp.MustCompile(`(?m)^gofmt -w -r '(net\.(\w+) -> aio\.(\w+))' \.$`).FindAllStringSubmatch(string(doc), -1)
	if len(rules) < 20 {
		t.Fatalf("%d rules found", len(rules))
	}
	before, after := "package p\n\nvar (\n", "package p\n\nvar (\n"
	for i, r := range rules {
		if r[2] != r[3] {
			t.Errorf("%s changes the name", r[1])
		}
		line := "\tv" + string(rune('a'+i)) + " = []any{X, *X, func(*X) {}, net.Not" + r[2] + "}\n"
		before += strings.ReplaceAll(line, "X", "net."+r[2])
		after += strings.ReplaceAll(line, "X", "aio."+r[2])
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
		if name := tw.net.Elem().Name(); !strings.Contains(string(doc), "'net."+name+" -> ") {
			t.Errorf("no rule for %s", name)
		}
	}
}
