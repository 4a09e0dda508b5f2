//go:build linux

// Command copy copies a file with a window of reads and writes in flight: each read is linked to
// the write of what it reads, and the pairs of a window run beside each other.
//
//	go run ./examples/copy [-backend NAME] [-drive auto|thread|scheduler]
//	    [-window N] [-chunk BYTES] FROM TO
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/weirgo/weir/aio"
	"github.com/weirgo/weir/aio/op"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	switch err := run(ctx, os.Args[1:], os.Stdout); {
	case errors.Is(err, flag.ErrHelp):
	case err != nil:
		fmt.Fprintln(os.Stderr, "copy:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string, stdout io.Writer) error {
	var o aio.Options
	flags := flag.NewFlagSet("copy", flag.ContinueOnError)
	flags.StringVar(&o.Backend, "backend", "", "force this `backend` instead of WEIR_BACKEND, or else the first "+
		"that works")
	flags.StringVar(&o.Drive, "drive", "", "how loops run: auto, thread or scheduler; empty: WEIR_DRIVE, or else auto")
	window := flags.Int("window", 16, "chunks in flight at a time")
	chunk := flags.Int("chunk", 128<<10, "bytes of a chunk")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if flags.NArg() != 2 || *window < 1 || *chunk < 1 {
		return fmt.Errorf("want FROM and TO, not %q, and a window and chunks of at least 1", flags.Args())
	}
	weir, err := aio.New(o)
	if err != nil {
		return err
	}
	defer weir.Close()
	start := time.Now()
	n, err := copyFile(ctx, weir, flags.Arg(0), flags.Arg(1), *window, *chunk)
	if err != nil {
		return err
	}
	took := time.Since(start)
	fmt.Fprintf(stdout, "%d bytes in %v, %.0f MB/s\n", n, took.Round(time.Microsecond), float64(n)/1e6/took.Seconds())
	return nil
}

// copyFile copies the file from to the file to, which it makes or cuts, and returns how many bytes
// it has.
func copyFile(ctx context.Context, weir *aio.IO, from, to string, window, chunk int) (n int64, err error) {
	// Three operations at once; the copy needs all of them.
	var st op.Stat
	src := op.Open(op.CWD, from, os.O_RDONLY, 0)
	dst := op.Open(op.CWD, to, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o666)
	const size = 0x200 // STATX_SIZE
	err = weir.Do(ctx, src, dst, op.Statx(op.CWD, from, 0, size, &st))
	for _, o := range []*op.Op{src, dst} {
		if o.Err == nil {
			defer func() { err = errors.Join(err, weir.Do(context.Background(), op.Close(o.N))) }()
		}
	}
	if err != nil {
		return 0, err
	}

	// A ring of pairs. Each is waited for when its turn comes again, and then goes on with the next
	// chunk.
	pairs := make([]*pair, min(int64(window), int64(st.Size)/int64(chunk)+1))
	for i := range pairs {
		pairs[i] = newPair(src.N, dst.N, chunk)
	}
	next := 0
	for off := int64(0); off < int64(st.Size) && err == nil; off += int64(chunk) {
		p := pairs[next%len(pairs)]
		next++
		if err = p.wait(ctx); err == nil {
			p.start(weir, off, min(int64(chunk), int64(st.Size)-off))
		}
	}
	for _, p := range pairs { // what is in flight uses their buffers and the descriptors
		if err != nil && p.batch != nil {
			p.batch.Cancel()
		}
		err = errors.Join(err, p.wait(ctx))
	}
	return int64(st.Size), err
}

// pair is a read and the write of what it reads.
type pair struct {
	buf         []byte
	read, write *op.Op
	batch       *aio.Batch // nil: nothing is in flight
}

func newPair(src, dst, chunk int) *pair {
	p := &pair{buf: make([]byte, chunk)}
	p.read, p.write = op.Read(src, nil, 0).Link(), op.Write(dst, nil, 0)
	return p
}

// start copies n bytes at off.
func (p *pair) start(weir *aio.IO, off, n int64) {
	p.read.SetBuf(p.buf[:n]).SetOffset(off)
	p.write.SetBuf(p.buf[:n]).SetOffset(off)
	p.batch = weir.Start(p.read, p.write)
}

// wait waits for the end of what start began. When ctx ends it cancels that, and waits all the
// same.
func (p *pair) wait(ctx context.Context) error {
	if p.batch == nil {
		return nil
	}
	select {
	case <-p.batch.Done():
	case <-ctx.Done():
		p.batch.Cancel()
	}
	err := p.batch.Wait(context.Background())
	p.batch = nil
	switch {
	case errors.Is(err, op.ErrCanceled) && ctx.Err() != nil:
		return context.Cause(ctx)
	case errors.Is(err, op.ErrShort):
		return io.ErrUnexpectedEOF // another process has truncated the file meanwhile
	case err == nil && p.write.N < p.read.N:
		return io.ErrShortWrite
	}
	return err
}
