// Package compat runs other people's clients and servers, as they are, on connections of weir's:
// gRPC, SSH, WebSockets, Redis, MySQL and Postgres. It has tests only, and is a module of its own
// so that what it needs is nothing to programs that import weir.
package compat
