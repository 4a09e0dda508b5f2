package sys

import (
	"bytes"
	"testing"

	"golang.org/x/sys/unix"
)

// However long the list is, a portion of it is sent at a time: at least one datagram, and more
// while the P can be kept.
func TestPortions(t *testing.T) {
	for _, tt := range []struct {
		sizes []int
		want  []int // the ends of the portions
	}{
		{[]int{0}, []int{1}},
		{[]int{sent}, []int{1}},
		{[]int{sent + 1}, []int{1}},
		{[]int{sent, 0}, []int{1, 2}},
		{[]int{sent - 1024, 1}, []int{2}},
		{[]int{sent - 1023, 1}, []int{1, 2}},
		{[]int{1, 1, 60000, 1}, []int{2, 3, 4}},
		{make([]int, 16), []int{16}},
		{make([]int, 33), []int{16, 32, 33}},
	} {
		d := new(Datagrams)
		d.Use(len(tt.sizes))
		for i, n := range tt.sizes {
			d.Send(i, make([]byte, n), false, 0)
		}
		for first, k := 0, 0; first < len(tt.sizes); k++ {
			end := d.portion(first, len(tt.sizes))
			if k >= len(tt.want) || end != tt.want[k] {
				t.Errorf("%d: from %d to %d, want ends at %d", tt.sizes, first, end, tt.want)
				break
			}
			first = end
		}
	}
}

// What the kernel cuts into datagrams counts as so many.
func TestSegmentPortions(t *testing.T) {
	d := new(Datagrams)
	d.Use(6)
	for i, segment := range []int{100, 100, 99, 1000, 0, 1} {
		d.Send(i, make([]byte, 800), false, segment)
	}
	for i, want := range []int{8 << 10, 8 << 10, 9 << 10, 1 << 10, 1 << 10, 800 << 10} {
		if got := d.size(i); got != want {
			t.Errorf("%d: %d, want %d", i, got, want)
		}
	}
	for _, tt := range [][2]int{{0, 2}, {1, 2}, {2, 5}, {5, 6}} {
		if got := d.portion(tt[0], 6); got != tt[1] {
			t.Errorf("from %d to %d, want %d", tt[0], got, tt[1])
		}
	}
}

// TrySend tells how many it has sent, and TryRecv takes what is there, in order.
func TestDatagrams(t *testing.T) {
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fds[0])
	defer unix.Close(fds[1])
	d := new(Datagrams)
	d.Use(20)
	if n, errno := d.TryRecv(fds[1]); n != 0 || errno != unix.EAGAIN {
		t.Errorf("nothing there: %d, %v", n, errno)
	}
	for i := range d.Len() {
		d.Send(i, bytes.Repeat([]byte{byte(i)}, i+1), false, 0)
	}
	for sent := 0; sent < d.Len(); {
		n, errno := d.TrySend(fds[0], sent, d.Len())
		if want := min(16, d.Len()-sent); n != want || errno != 0 {
			t.Fatalf("sent %d from %d, want %d: %v", n, sent, want, errno)
		}
		sent += n
	}
	bufs := make([][]byte, 30)
	d.Use(len(bufs))
	for i := range bufs {
		bufs[i] = make([]byte, 5)
		d.Receive(i, bufs[i])
	}
	n, errno := d.TryRecv(fds[1])
	if n != 20 || errno != 0 {
		t.Fatalf("received %d, %v", n, errno)
	}
	for i := range n {
		size, segment, _ := d.Received(i)
		if want := min(i+1, 5); size != want || segment != 0 || !bytes.Equal(bufs[i][:size],
			bytes.Repeat([]byte{byte(i)}, want)) {
			t.Errorf("datagram %d: %d bytes, %d, segments of %d; want %d bytes", i, size, bufs[i], segment, want)
		}
	}
	d.Forget()
	unix.Shutdown(fds[1], unix.SHUT_RD)
	d.Send(0, []byte{1}, false, 0)
	if n, errno := d.TrySend(fds[0], 0, 1); n != 0 || errno != unix.EPIPE {
		t.Errorf("nobody there: %d, %v", n, errno)
	}
}
