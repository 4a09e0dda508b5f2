// Package giouring is a ring of the module giouring in the place of package sys's. With the build
// tag giouring a test that imports it runs package uring on that. No other file may import it: what
// a program imports, whatever the build tags, is in the go.mod of that program.
package giouring
