package op_test

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/weirgo/weir/aio/op"
	"github.com/weirgo/weir/backends"
	aiort "github.com/weirgo/weir/runtime"
)

// wide is a number that does not fit into 32 bits, where int has more.
const wide = 1 << (strconv.IntSize / 2)

// TestMalformed: what an operation lacks, or has too much of, is an error of the call that submits
// it, which names it. It used to be found out in a tick, with the loop's lock held, and that was
// the end of the loop.
func TestMalformed(t *testing.T) {
	if strconv.IntSize == 32 {
		t.Skip("int has 32 bits")
	}
	each(t, func(t *testing.T, r *on) {
		fd, name := r.file("untouched")
		far := fd + wide
		buf := []byte("changed!!")
		for _, tt := range []struct {
			want error
			o    *op.Op
		}{
			{unix.EINVAL, op.RecvMsg(fd, nil, 0)}, {unix.EINVAL, op.SendMsg(fd, nil, 0)},
			{unix.EINVAL, op.SendMsgZC(fd, nil, 0)},
			{unix.EINVAL, op.EventWait(nil)}, {unix.EINVAL, op.EventNotify(nil)}, {unix.EINVAL, op.EventClose(nil)},
			{unix.EINVAL, op.Cancel(nil)},
			{unix.EAFNOSUPPORT, op.Connect(fd, nil)}, {unix.EAFNOSUPPORT, op.Bind(fd, nil)},
			{unix.EINVAL, op.Statx(op.CWD, name, 0, 0, nil)}, {unix.EINVAL, op.FutexWait(nil, 0, true)},
			{unix.EINVAL, op.FutexWake(nil, 1, true)},
			{unix.EINVAL, op.RecvMsg(fd, &op.Msg{Addr: &backends.Sockaddr{Len: 1 << 20}}, 0)},
			{unix.EBADF, op.Read(far, buf, 0)}, {unix.EBADF, op.Write(far, buf, 0)},
			{unix.EBADF, op.Writev(far, [][]byte{buf}, 0)},
			{unix.EBADF, op.Ftruncate(far, 0)}, {unix.EBADF, op.Close(far)}, {unix.EBADF, op.CloseSocket(far)},
			{unix.EBADF, op.Fsync(far)},
			{unix.EBADF, op.Splice(far, 0, fd, 0, 1, 0)}, {unix.EBADF, op.Splice(fd, 0, far, 0, 1, 0)},
			{unix.EBADF, op.Tee(far, fd, 1, 0)},
			{unix.EBADF, op.Unlink(far, name)}, {unix.EBADF, op.Rename(fd, name, far, "x", 0)},
			{unix.EBADF, op.Poll(far, unix.POLLIN)},
			{unix.EINVAL, op.SyncFileRange(fd, 0, 1<<32, 0)}, {unix.EINVAL, op.SyncFileRange(fd, 0, -1, 0)},
			{unix.EINVAL, op.Fadvise(fd, 0, -1, 0)},
			{unix.EINVAL, op.Fallocate(fd, 0, 0, -1)}, {unix.EINVAL, op.Splice(fd, 0, fd, 0, -1, 0)},
			{unix.EINVAL, op.Socket(unix.AF_INET+wide, unix.SOCK_STREAM, 0)},
			{unix.EINVAL, op.Socket(unix.AF_INET, unix.SOCK_STREAM, wide)},
			{unix.EINVAL, op.Waitid(wide, 0, 0)}, {unix.EINVAL, op.Waitid(0, wide, 0)},
			{unix.EINVAL, op.Recv(fd, buf, wide)}, {unix.EINVAL, op.Send(fd, buf, wide)},
			{unix.EINVAL, op.Accept(fd, wide)},
			{unix.EINVAL, op.Shutdown(fd, wide)}, {unix.EINVAL, op.Poll(fd, wide)}, {unix.EINVAL, op.Listen(fd, wide)},
			{unix.EINVAL, op.Socket(unix.AF_INET, wide|unix.SOCK_STREAM, 0)}, {unix.EINVAL, op.Pipe(wide)},
			{unix.EINVAL, op.Waitid(0, 0, wide)},
			{unix.EINVAL, op.Open(op.CWD, name, wide, 0)}, {unix.EINVAL, op.Fallocate(fd, wide, 0, 1)},
			{unix.EINVAL, op.Fadvise(fd, 0, 1, wide)},
		} {
			good := op.Nop()
			err := r.do(good, tt.o)
			var e *op.Error
			if !errors.Is(err, tt.want) || !errors.As(err, &e) || e.Index != 1 || good.Err != err {
				t.Errorf("%v: %v, want %v", tt.o, err, tt.want)
			}
			if s := op.Start(r.l, tt.o); !errors.Is(s.Wait(bg), tt.want) {
				t.Errorf("%v: Start: %v", tt.o, s.Wait(bg))
			}
			r.ok(good)
		}
		got := make([]byte, 20)
		if n, err := unix.Pread(fd, got, 0); string(got[:max(n, 0)]) != "untouched" || err != nil {
			t.Errorf("the file holds %q, %v", got[:max(n, 0)], err)
		}
	})
}

// TestMalformedCompletions: the same of Completions, alone and in a Batch.
func TestMalformedCompletions(t *testing.T) {
	each(t, func(t *testing.T, r *on) {
		pass := func(*aiort.Completion) aiort.Action { return aiort.Disarm }
		ops := []backends.Op{
			{Code: backends.OpConnect}, {Code: backends.OpBind}, {Code: 200}, {Code: 255}, {Code: backends.OpBatch},
			{Code: backends.OpEventWait},
			{Code: backends.OpBlocking}, {Code: backends.OpCancel}, {Code: backends.OpEventNotify},
			{Code: backends.OpEventClose},
			{Code: backends.OpRead, Multi: true}, {Code: backends.OpStatx,
				Args: &backends.Args{Path: backends.Path("no zero"), Stat: new(backends.Statx)}},
			{Code: backends.OpTimeout, Multi: true},
		}
		for code := backends.OpOpen; code < backends.OpTimeout; code++ {
			if code != backends.OpFtruncate {
				ops = append(ops, backends.Op{Code: code}) // no Args
			}
		}
		for _, o := range ops {
			if err := r.l.Do(bg, &aiort.Completion{Op: o}); err == nil {
				t.Errorf("Do of %v %v: no error", o.Code, o)
			}
			if err := r.l.Submit(&aiort.Completion{Op: o, Callback: pass}); err == nil {
				t.Errorf("Submit of %v: no error", o.Code)
			}
			b := aiort.NewBatch()
			b.Add(new(aiort.Completion))
			b.Add(&aiort.Completion{Op: o})
			var which *aiort.MemberError
			if err := r.l.DoBatch(bg, b); !errors.As(err, &which) || which.Index != 1 {
				t.Errorf("DoBatch of %v: %v", o.Code, err)
			}
			if err := r.l.SubmitBatch(b, func(*aiort.Batch) {}); !errors.As(err, &which) {
				t.Errorf("SubmitBatch of %v: %v", o.Code, err)
			}
		}
		multi := backends.Op{Code: backends.OpPoll, FD: 0, Flags: 1, Multi: true}
		b := aiort.NewBatch()
		b.Add(&aiort.Completion{Op: multi})
		if err := r.l.DoBatch(bg, b); err == nil {
			t.Error("a multishot in a Batch")
		}
		for _, code := range []backends.Code{backends.OpLinkTimeout, backends.OpCancel, backends.OpEventNotify} {
			if err := r.l.Do(bg, &aiort.Completion{Op: backends.Op{Code: code}}); err == nil {
				t.Errorf("%v alone", code)
			}
		}
		for what, err := range map[string]error{
			"Submit of nil": r.l.Submit(nil), "Do of nil": r.l.Do(bg, nil),
			"Submit without a callback": r.l.Submit(new(aiort.Completion)),
			"Post of nil":               r.l.Post(nil),
			"Blocking of nil":           r.l.Blocking(&aiort.Completion{Callback: pass}, nil),
			"Async of nil":              new(aiort.Async).Start(r.l, nil),
			"SubmitBatch of nil":        r.l.SubmitBatch(aiort.NewBatch(), nil),
		} {
			if err == nil {
				t.Errorf("%s: no error", what)
			}
		}
		r.ok(op.Nop())
		if n := r.rt.Stats().InFlight; n != 0 {
			t.Errorf("%d operations are in flight", n)
		}
	})
}

// TestErrorTexts: an error of a list says which operation failed, on what, and that it is of
// package op.
func TestErrorTexts(t *testing.T) {
	each(t, func(t *testing.T, r *on) {
		got := []string{
			fmt.Sprint(r.do(op.Nop(), op.Read(-1, nil, 0))), fmt.Sprint(r.do(op.RecvMsg(5, nil, 0))),
			fmt.Sprint(r.do(nil)),
			fmt.Sprint(r.do(op.Unlink(op.CWD, "/no/such/file"))),
		}
		want := []string{
			"op: operation 1 (read on descriptor -1): bad file descriptor",
			"op: operation 0 (recvmsg on descriptor 5): no Msg: invalid argument",
			"op: operation 0: nil where there has to be something: invalid argument",
			"op: operation 0 (unlink /no/such/file): no such file or directory",
		}
		if !slices.Equal(got, want) {
			t.Errorf("got  %q\nwant %q", got, want)
		}
		o := op.Nop()
		if err := r.do(o, o); err != op.ErrInFlight || err.Error() != "weir: an operation was submitted again while "+
			"it is in flight" {
			t.Error(err)
		}
	})
}
