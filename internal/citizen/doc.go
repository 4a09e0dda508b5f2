// Package citizen measures whether Go's scheduler serves a program on weir as it serves the same
// program on net and os.
//
// It is only a test. The test starts its own binary again as a server, on std and on weir in turn,
// with one load or one disturbance at a time. The test process plays the peers: it sends requests
// at a fixed pace, and each request makes the server do one thing that must not take long. The
// result of std is the measure for weir.
//
// docs/testing.md lists the rows and says what each is there to find.
package citizen
