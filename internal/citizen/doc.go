// Package citizen measures whether a program on weir is served by Go's scheduler as the same
// program on net and os is.
//
// It is a test and nothing else. The test starts its own binary again as a server, on std and on
// weir in turn, with one load or one disturbance at a time. The test process plays the peers: it
// sends requests at a fixed pace, and each request has the server do one thing that must not take
// long. What std took is the measure for weir.
//
// docs/testing.md lists the rows and says what each is there to find.
package citizen
