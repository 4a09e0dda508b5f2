package sys

import "sync/atomic"

// File is an open file that the kernel can learn of once, so that operations on it need not look
// its descriptor up each time.
type File struct {
	Index  int         // its place in the table of each ring that knows it
	FD     int         // its own descriptor, which stays open as long as an operation on it may be in flight
	Closed atomic.Bool // no operation on it may begin any more
}
