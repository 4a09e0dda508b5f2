package op_test

import (
	"testing"

	"github.com/weirgo/weir/aio/op"
)

// TestStartCopiesList: the list that Start was given is the caller's again when it returns. To use
// it again in flight gave another list's operation a result; to clear it ended the program.
func TestStartCopiesList(t *testing.T) {
	each(t, func(t *testing.T, r *on) {
		a, b := r.pipe()
		buf := make([]byte, 8)
		first, stranger := op.Read(a, buf, op.Stream), op.Nop()
		stranger.N = -7
		list := []*op.Op{first}
		batch := op.Start(r.l, list...)
		list[0] = stranger
		other := []*op.Op{op.Nop()}
		cleared := op.Start(r.l, other...)
		clear(other)
		r.ok(op.Write(b, []byte("hello"), op.Stream))
		if err := batch.Wait(bg); err != nil || first.N != 5 || stranger.N != -7 {
			t.Errorf("%v: the read has %d, the stranger %d", err, first.N, stranger.N)
		}
		if err := cleared.Wait(bg); err != nil {
			t.Error(err)
		}
	})
}
