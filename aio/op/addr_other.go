//go:build !linux

package op

import (
	"errors"
	"net"

	"github.com/weirgo/weir/backends"
)

const cloexec = 0

// encode: what uses addresses does not exist here.
func encode(*backends.Sockaddr, net.Addr) error { return errors.ErrUnsupported }

func decode(*backends.Sockaddr) net.Addr { return nil }
