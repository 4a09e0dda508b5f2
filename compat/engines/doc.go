// Package engines runs a storage engine, QUIC and servers that bring much with them on weir: what
// package compat does, in a module of its own. It has tests only.
package engines
