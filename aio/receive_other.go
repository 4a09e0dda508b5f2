//go:build !linux || weir_portable

package aio

import (
	"context"

	"github.com/weirgo/weir/internal/fd"
)

// receive is Receive of a connection with this ReadContext.
func receive(ctx context.Context, read func(ctx context.Context, p []byte) (int, error), f func(p []byte) error) error {
	buf := fd.Lendable.Get().(*fd.Lent)
	defer fd.Lendable.Put(buf)
	n, err := read(ctx, buf[:])
	if err != nil {
		return err
	}
	return f(buf[:n])
}
