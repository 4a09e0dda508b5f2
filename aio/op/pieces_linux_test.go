package op_test

import (
	"bytes"
	"errors"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/weirgo/weir/aio/op"
)

// TestManyPieces: what has more pieces than one call takes was cut to as many. A datagram or a
// record is never sent or received in part: it is refused, and nothing is submitted.
func TestManyPieces(t *testing.T) {
	each(t, func(t *testing.T, r *on) {
		pieces := func(n, empty int) [][]byte {
			bufs := make([][]byte, n+empty)
			for i := range n {
				bufs[i*(n+empty)/n] = []byte{byte(i)}
			}
			return bufs
		}
		a, b := r.pair()
		for kind, ends := range map[string][2]int{"dgram": r.packets(unix.SOCK_DGRAM),
			"seqpacket": r.packets(unix.SOCK_SEQPACKET), "stream": {a, b}} {
			to, from := ends[0], ends[1]
			ok := pieces(1024, 1000)
			buf := make([]byte, 3000)
			for _, send := range []func(bufs [][]byte) *op.Op{
				func(bufs [][]byte) *op.Op { return op.SendMsg(to, &op.Msg{Bufs: bufs}, 0) },
				func(bufs [][]byte) *op.Op { return op.SendMsgZC(to, &op.Msg{Bufs: bufs}, 0) },
				func(bufs [][]byte) *op.Op { return op.Writev(to, bufs, op.Stream) },
			} {
				refused := send(pieces(1025, 0))
				r.fails(unix.EMSGSIZE, refused)
				before := op.Send(to, []byte("not alone"), 0)
				if err := r.do(before.Link(), refused); !errors.Is(err, unix.EMSGSIZE) || !errors.Is(before.Err,
					unix.EMSGSIZE) {
					t.Errorf("%s: %v in a chain: %v, %v", kind, refused, err, before.Err)
				}
				if n, err := unix.Read(from, buf); err != unix.EAGAIN {
					t.Errorf("%s: %v of 1025 pieces has sent %d bytes, %v", kind, refused, n, err)
				}
				sent := send(ok)
				r.ok(sent)
				if n, err := unix.Read(from, buf); sent.N != 1024 || !bytes.Equal(buf[:max(n, 0)],
					bytes.Join(ok, nil)) {
					t.Errorf("%s: %v of 1024 pieces and 1000 empty ones: %d, received %d, %v", kind, sent, sent.N,
						n, err)
				}
			}
			for _, recv := range []func(bufs [][]byte) *op.Op{
				func(bufs [][]byte) *op.Op { return op.RecvMsg(from, &op.Msg{Bufs: bufs}, 0) },
				func(bufs [][]byte) *op.Op { return op.Readv(from, bufs, op.Stream) },
			} {
				r.ok(op.Send(to, make([]byte, 1024), 0))
				r.fails(unix.EMSGSIZE, recv(pieces(1025, 0)))
				o := recv(pieces(1024, 1000))
				if r.ok(o); o.N != 1024 {
					t.Errorf("%s: %v: %d bytes", kind, o, o.N)
				}
			}
		}
	})
}

// packets makes a pair of sockets that keep messages apart.
func (r *on) packets(kind int) [2]int {
	r.Helper()
	p, err := unix.Socketpair(unix.AF_UNIX, kind|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		r.Fatal(err)
	}
	r.Cleanup(func() { unix.Close(p[0]); unix.Close(p[1]) })
	return p
}
