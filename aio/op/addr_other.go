//go:build !linux

package op

import (
	"errors"
	"net"

	"github.com/weirgo/weir/backends"
)

const cloexec = 0

// encode fails: operations with addresses do not exist on these systems.
func encode(*backends.Sockaddr, net.Addr) error { return errors.ErrUnsupported }

func decode(*backends.Sockaddr) net.Addr { return nil }
