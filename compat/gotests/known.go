package main

import (
	_ "embed"
	"fmt"
	"maps"
	"slices"
	"strings"
)

//go:embed known.txt
var knownText string

// A known is a line of known.txt: a test that fails on weir and not on the standard library, where,
// and why.
type known struct {
	suite, test, where, why string
	line                    int
	tried, failed           bool
}

// parseKnown reads known.txt.
func parseKnown(text string) ([]*known, error) {
	var list []*known
	for i, line := range strings.Split(text, "\n") {
		if line == "" || line[0] == '#' {
			continue
		}
		words := strings.Fields(line)
		if len(words) < 4 {
			return nil, fmt.Errorf("known.txt:%d: a line is suite, test, where and why", i+1)
		}
		list = append(list, &known{suite: words[0], test: words[1], where: words[2], why: strings.Join(words[3:], " "),
			line: i + 1})
	}
	return list, nil
}

// covers says whether the line is about a suite on a mode.
func (k *known) covers(suite, mode string) bool {
	return k.suite == suite && (k.where == "*" || within(mode, k.where))
}

// within says whether a mode is the one that is named, or one of the backend that is.
func within(mode, name string) bool { return mode == name || strings.HasPrefix(mode, name+"/") }

// findKnown is the line about a test in a mode, if there is one.
func findKnown(list []*known, suite, mode, test string) *known {
	for _, k := range list {
		if k.test == test && k.covers(suite, mode) {
			return k
		}
	}
	return nil
}

// worse says whether a test has fared worse than on the standard library.
func worse(on, std string) bool {
	switch on {
	case fail, crash, hang, dropped:
		return std != fail && std != crash && std != hang
	case skip:
		return std == pass
	}
	return false
}

// differences are the tests and subtests that have fared worse than on the standard library,
// without those that only contain such.
func differences(on, std results) []string {
	bad := map[string]bool{}
	for test, result := range on {
		was := std[test]
		if was == "" && result != skip {
			was = std[top(test)]
		}
		bad[test] = worse(result, was)
	}
	contains := map[string]bool{}
	for test, is := range bad {
		for is {
			i := strings.LastIndexByte(test, '/')
			if i < 0 {
				break
			}
			test = test[:i]
			contains[test] = true
		}
	}
	var list []string
	for _, test := range slices.Sorted(maps.Keys(bad)) {
		if bad[test] && !contains[test] {
			list = append(list, test)
		}
	}
	return list
}

// top is the test that a subtest is of.
func top(test string) string {
	name, _, _ := strings.Cut(test, "/")
	return name
}

// counts says how many tests have had which result, subtests aside.
func (r results) counts() string {
	n := map[string]int{}
	for test, result := range r {
		if top(test) == test {
			n[result]++
		}
	}
	var parts []string
	for _, result := range []string{pass, skip, fail, crash, hang, dropped} {
		if n[result] > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", n[result], result))
		}
	}
	return strings.Join(parts, ", ")
}
