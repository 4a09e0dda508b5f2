//go:build giouring

package runtime

import _ "github.com/weirgo/weir/internal/giouring" // the ring that the backend runs on
