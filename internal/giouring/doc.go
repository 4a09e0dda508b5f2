// Package giouring replaces package sys's ring by one of the module giouring. With the build tag
// giouring, a test that imports it runs package uring on that ring. No other file may import it:
// the go.mod of a program lists what the program imports, whatever the build tags.
package giouring
