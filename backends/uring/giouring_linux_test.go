//go:build giouring

package uring

import _ "github.com/weirgo/weir/internal/giouring" // the ring that the backend runs on
