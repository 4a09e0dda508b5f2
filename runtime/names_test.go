package runtime

import "testing"

// TestNearest: which name is meant by one that does not exist.
func TestNearest(t *testing.T) {
	for name, want := range map[string]string{
		"uring": "io_uring", "iouring": "io_uring", "io-uring": "io_uring", "IO_URING": "io_uring",
		"io_urnig": "io_uring", "io_uring2": "io_uring",
		"poll": "epoll", "epol": "epoll", "eepoll": "epoll", "Epoll ": "epoll", "portabel": "portable",
		"port":   "portable",
		"kqueue": "", "iocp": "", "wasi": "", "steam": "", "": "", "e": "", "io": "", "sim": "",
	} {
		if got := nearest(name, knownBackends); got != want {
			t.Errorf("%q is near %q, want %q", name, got, want)
		}
	}
	for _, tt := range []struct {
		a, b string
		want int
	}{{"", "", 0}, {"", "abc", 3}, {"abc", "", 3}, {"abc", "abc", 0}, {"abc", "abd", 1}, {"abc", "bc", 1},
		{"abc", "xabc", 1}, {"abcd", "badc", 3}} {
		if got := distance(tt.a, tt.b); got != tt.want {
			t.Errorf("distance(%q, %q) = %d, want %d", tt.a, tt.b, got, tt.want)
		}
	}
}
