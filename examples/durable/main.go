//go:build linux

// Command durable writes its input to a file so that after a crash there is all of the old content
// or all of the new one, and when it reports success, the new one. That takes five operations, each
// of which must not begin before the one ahead of it is done; here they are one chain, submitted at
// once.
//
//	go run ./examples/durable [-backend NAME] [-drive auto|thread|scheduler] FILE <CONTENT
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/weirgo/weir/aio"
	"github.com/weirgo/weir/aio/op"
)

func main() {
	switch err := run(context.Background(), os.Args[1:], os.Stdin); {
	case errors.Is(err, flag.ErrHelp):
	case err != nil:
		fmt.Fprintln(os.Stderr, "durable:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string, stdin io.Reader) error {
	var o aio.Options
	flags := flag.NewFlagSet("durable", flag.ContinueOnError)
	flags.StringVar(&o.Backend, "backend", "", "force this `backend` instead of WEIR_BACKEND, or else the first "+
		"that works")
	flags.StringVar(&o.Drive, "drive", "", "how loops run: auto, thread or scheduler; empty: WEIR_DRIVE, or else auto")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if flags.NArg() != 1 {
		return fmt.Errorf("want FILE, not %q", flags.Args())
	}
	content, err := io.ReadAll(stdin)
	if err != nil {
		return err
	}
	weir, err := aio.New(o)
	if err != nil {
		return err
	}
	defer weir.Close()
	return write(ctx, weir, flags.Arg(0), content)
}

// write puts content into the file name, whole or not at all, and on the device when it returns
// nil.
func write(ctx context.Context, weir *aio.IO, name string, content []byte) (err error) {
	dir, base := filepath.Split(name)
	if dir == "" {
		dir = "."
	}
	d := op.Open(op.CWD, dir, os.O_RDONLY, 0)
	if err := weir.Do(ctx, d); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, weir.Do(context.Background(), op.Close(d.N))) }()

	// A name that no other process uses; what a crash leaves behind is cut and used again by the
	// next of the same number.
	temp := fmt.Sprintf(".%s.%d", base, os.Getpid())
	f := op.Open(d.N, temp, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o666)
	err = weir.Do(ctx,
		f.Link(),
		op.Write(-1, content, 0).From(f).Link(), // a write that is cut short ends the chain, too
		op.Fsync(-1).From(f).Link(),             // the content is on the device before the name leads to it
		op.Rename(d.N, temp, d.N, base, 0).Link(),
		op.Fsync(d.N), // and so is the name
	)
	last := context.Background() // what follows has to be done in any case
	if f.Err == nil {
		err = errors.Join(err, weir.Do(last, op.Close(f.N)))
	}
	if err != nil {
		weir.Do(last, op.Unlink(d.N, temp)) // if it is there
	}
	return err
}
