//go:build !linux || weir_portable

package aio

import "github.com/weirgo/weir/internal/lane"

// View returns nil: what package net or os waits for, a coroutine cannot wait for without its thread. Package coro calls
// it.
func View(lane.Lane, any) (view any, of lane.View) { return nil, nil }
