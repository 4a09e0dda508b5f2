package citizen

import (
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// planned makes the cells of the form that was asked for, those in one group that share a row and
// GOMAXPROCS.
func planned(t *testing.T) (groups [][]*cell) {
	var setups []setup
	values := []int{1, 2, 8}
	match := regexp.MustCompile("")
	switch *form {
	case "":
		setups = []setup{{weir: true, backend: os.Getenv("WEIR_BACKEND"), drive: os.Getenv("WEIR_DRIVE")}}
		values = []int{2}
	case "core", "short", "long":
		for _, backend := range []string{"io_uring", "epoll", "portable"} {
			for _, drive := range []string{"auto", "thread", "scheduler"} {
				setups = append(setups, setup{weir: true, backend: backend, drive: drive})
			}
		}
	default:
		t.Fatalf("there is no form %q", *form)
	}
	if *sides != "" {
		setups = nil
		for name := range strings.SplitSeq(*sides, ",") {
			backend, drive, _ := strings.Cut(name, "/")
			setups = append(setups, setup{weir: backend != "std", backend: backend, drive: drive})
		}
	}
	if *procs != "" {
		values = nil
		for text := range strings.SplitSeq(*procs, ",") {
			n, err := strconv.Atoi(text)
			if err != nil || n < 1 {
				t.Fatalf("GOMAXPROCS %q", text)
			}
			values = append(values, n)
		}
	}
	if *only != "" {
		match = regexp.MustCompile(*only)
	}
	for i, n := range values {
		for j, r := range rows {
			if !match.MatchString(r.name) {
				continue
			}
			var group []*cell
			for k, s := range setups {
				if *only == "" && !inForm(r, i, j, k, len(values), len(setups)) {
					continue
				}
				s.procs = n
				group = append(group, &cell{row: r, setup: s, best: make(map[string]verdict)})
			}
			if len(group) > 0 {
				groups = append(groups, group)
			}
		}
	}
	return groups
}

// inForm reports whether the form has row r, which is row j, with value i of GOMAXPROCS on setup k.
func inForm(r row, i, j, k, values, setups int) bool {
	switch {
	case *form == "long":
		return true
	case *form == "short":
		return r.core || (i+j+k)%setups == 0 // others on one setup, each in its turn
	case *form == "core":
		return r.core && (i+k)%values == 0 // each setup with one value, each in its turn
	}
	return r.core
}
