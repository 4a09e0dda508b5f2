// Package deps imports what Go's tests import of other modules, so that this module requires it.
package deps

import (
	_ "golang.org/x/net/dns/dnsmessage"
	_ "golang.org/x/net/nettest"
	_ "golang.org/x/sys/unix"
)
