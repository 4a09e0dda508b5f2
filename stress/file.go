package main

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"time"
	"unsafe"

	"github.com/dustin/go-humanize"
	"golang.org/x/sys/unix"
)

// file has goroutines read or write blocks of one file at random.
//
// A block starts with its number and goes on with noise that follows from the number and the seed.
// When blocks are written, each has one goroutine that may write it, so that what it reads back
// must be what it wrote last.
type file struct {
	dir           string // "": the system's temporary directory
	size          int64
	block         int
	direct, write bool

	temp   string // the directory made in dir; removed by cleanup
	path   string
	blocks int64
	seed   uint64
}

// The bounds of a block: O_DIRECT wants whole sectors, and buffers are as many as goroutines.
const minBlock, maxBlock = 512, 16 << 20

// checkEach is of how many reads one has the whole block compared, not only its number; and of how
// many writes one is read back.
const checkEach = 128

func (f *file) describe() (name, counts, ops, details string) {
	ops, verb := "reads", "random reads"
	if f.write {
		ops, verb = "writes", "random writes"
	}
	how := "through the page cache"
	if f.direct {
		how = "O_DIRECT"
	}
	return "file", "goroutines", ops, fmt.Sprintf("%s of %s, %s, in a file of %s in %s", verb,
		humanize.IBytes(uint64(f.block)), how, humanize.IBytes(uint64(f.size)), f.dir)
}

func (f *file) prepare(ctx context.Context, c *config) error {
	most := int64(slices.Max(c.counts))
	f.blocks = f.size / int64(max(f.block, 1))
	switch {
	case f.block < minBlock || f.block > maxBlock || f.block%minBlock != 0:
		return fmt.Errorf("--block is %d: want a multiple of %d up to %s", f.block, minBlock, humanize.IBytes(maxBlock))
	case f.size%int64(f.block) != 0 || f.blocks < most:
		return fmt.Errorf("--size is %d: want a multiple of --block (%d), and a block for each of %d goroutines",
			f.size, f.block, most)
	}
	f.seed = c.seed
	if f.dir == "" {
		f.dir = os.TempDir()
	}
	var err error
	if f.temp, err = os.MkdirTemp(f.dir, "weir-stress-"); err != nil {
		return err
	}
	f.path = filepath.Join(f.temp, "blocks")
	if err := f.fill(ctx, c); err != nil {
		return fmt.Errorf("make a file of %s: %w (--dir and --size choose another)",
			humanize.IBytes(uint64(f.size)), err)
	}
	if f.direct {
		if err := f.tryDirect(); err != nil {
			f.direct = false
			c.note(fmt.Sprintf("%s refuses O_DIRECT with blocks of %d bytes (%v): going through the page cache, "+
				"which measures memory, not a device. Another --dir or --block may do.", f.dir, f.block, err))
		}
	}
	return nil
}

// fill makes the file.
func (f *file) fill(ctx context.Context, c *config) error {
	w, err := os.Create(f.path)
	if err != nil {
		return err
	}
	defer w.Close()
	noise := newNoise(f.seed)
	chunk := make([]byte, max(1, (1<<20)/f.block)*f.block)
	for at := int64(0); at < f.size; {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		chunk = chunk[:min(int64(len(chunk)), f.size-at)]
		for i := 0; i < len(chunk); i += f.block {
			noise.fill(chunk[i:i+f.block], (at+int64(i))/int64(f.block))
		}
		if _, err := w.Write(chunk); err != nil {
			return err
		}
		at += int64(len(chunk))
		// The bar is in units of time elsewhere: here it is in bytes.
		c.progress(progress{done: time.Duration(at), total: time.Duration(f.size), what: "making the file"})
	}
	return w.Sync()
}

// tryDirect tells why O_DIRECT cannot be had.
func (f *file) tryDirect() error {
	r, err := side{}.openFile(f.path, f.flags())
	if err == nil {
		_, err = r.ReadAt(aligned(f.block), 0)
		err = errors.Join(err, r.Close())
	}
	if pe := (*os.PathError)(nil); errors.As(err, &pe) {
		err = pe.Err
	}
	return err
}

func (f *file) flags() int {
	flag := os.O_RDONLY
	if f.write {
		flag = os.O_RDWR
	}
	if f.direct {
		flag |= unix.O_DIRECT
	}
	return flag
}

func (f *file) cleanup() error {
	if f.temp == "" {
		return nil
	}
	return os.RemoveAll(f.temp)
}

func (f *file) crew(s side, n int, seed uint64) (*crew, error) {
	open, err := s.openFile(f.path, f.flags())
	if err != nil {
		return nil, err
	}
	return f.crewOn(open, n, seed), nil
}

// crewOn sets workers up on an open file, which it owns.
func (f *file) crewOn(open randomAccess, n int, seed uint64) *crew {
	c := &crew{stop: open.Close}
	for i := range n {
		random := rand.New(rand.NewPCG(seed, uint64(i)))
		if f.write {
			w := &writer{f: f, file: open, random: random, worker: int64(i), of: int64(n), buf: aligned(f.block),
				check: aligned(f.block)}
			newNoise(seed).fill(w.buf, int64(i))
			c.ops = append(c.ops, w.op)
			c.last = append(c.last, w.readBack)
		} else {
			r := &reader{f: f, file: open, random: random, buf: aligned(f.block), noise: newNoise(f.seed),
				check: make([]byte, f.block)}
			c.ops = append(c.ops, r.op)
		}
	}
	return c
}

type reader struct {
	f          *file
	file       randomAccess
	random     *rand.Rand
	noise      *noise
	buf, check []byte
	n          int
}

func (r *reader) op() error {
	block := r.random.Int64N(r.f.blocks)
	if _, err := r.file.ReadAt(r.buf, block*int64(r.f.block)); err != nil {
		return err
	}
	if got := binary.LittleEndian.Uint64(r.buf); got != uint64(block) {
		return fmt.Errorf("wrong data: block %d has the number %d", block, got)
	}
	if r.n++; r.n%checkEach == 0 {
		r.noise.fill(r.check, block)
		if !bytes.Equal(r.buf, r.check) {
			return fmt.Errorf("wrong data in block %d: %s", block, difference(r.check, r.buf))
		}
	}
	return nil
}

type writer struct {
	f          *file
	file       randomAccess
	random     *rand.Rand
	worker, of int64 // this worker's blocks are those whose numbers leave worker when divided by of
	buf, check []byte
	n          uint64
	block      int64 // written last
}

func (w *writer) op() error {
	mine := (w.f.blocks - w.worker + w.of - 1) / w.of
	w.block = w.random.Int64N(mine)*w.of + w.worker
	w.n++
	binary.LittleEndian.PutUint64(w.buf, uint64(w.block))
	binary.LittleEndian.PutUint64(w.buf[8:], w.n)
	binary.LittleEndian.PutUint64(w.buf[len(w.buf)-8:], w.n)
	if _, err := w.file.WriteAt(w.buf, w.block*int64(w.f.block)); err != nil {
		return err
	}
	if w.n%checkEach == 0 {
		return w.readBack()
	}
	return nil
}

// readBack checks the block that was written last.
func (w *writer) readBack() error {
	if _, err := w.file.ReadAt(w.check, w.block*int64(w.f.block)); err != nil {
		return err
	}
	if !bytes.Equal(w.buf, w.check) {
		return fmt.Errorf("wrong data in block %d, read back after write %d: %s", w.block, w.n,
			difference(w.buf, w.check))
	}
	return nil
}

// noise fills blocks.
type noise struct {
	seed uint64
	pcg  *rand.PCG
}

func newNoise(seed uint64) *noise { return &noise{seed, rand.NewPCG(0, 0)} }

// fill makes p, a whole number of words, the content of a block.
func (n *noise) fill(p []byte, block int64) {
	n.pcg.Seed(n.seed, uint64(block))
	binary.LittleEndian.PutUint64(p, uint64(block))
	for i := 8; i < len(p); i += 8 {
		binary.LittleEndian.PutUint64(p[i:], n.pcg.Uint64())
	}
}

// aligned returns n bytes that start on a page, as O_DIRECT wants it.
func aligned(n int) []byte {
	const page = 4096
	b := make([]byte, n+page)
	skip := -int(uintptr(unsafe.Pointer(&b[0]))) & (page - 1)
	return b[skip : skip+n : skip+n]
}
