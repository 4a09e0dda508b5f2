package op_test

import (
	"fmt"
	"hash/crc32"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/weirgo/weir/aio/op"
	aiort "github.com/weirgo/weir/runtime"
)

// FuzzChains runs random lists of chains on every backend there is, each in a directory of its own,
// and compares what came out: results, errors, data, files. The chains of one list share nothing,
// so that their order cannot matter.
func FuzzChains(f *testing.F) {
	for seed := range uint64(30) {
		program := make([]byte, 40+10*seed)
		rng := rand.New(rand.NewPCG(seed, 3))
		for i := range program {
			program[i] = byte(rng.Uint32())
		}
		f.Add(program)
	}
	backends := backendsHere()
	if len(backends) < 2 {
		f.Skip("there is one backend only: ", backends)
	}
	var rs []*on
	for _, name := range backends {
		rs = append(rs, start(f, aiort.Options{Backend: name, Loops: 1}))
	}
	f.Fuzz(func(t *testing.T, program []byte) {
		var want string
		for i, r := range rs {
			p := &player{on: &on{TB: t, l: r.l}, program: program[:min(len(program), 400)]}
			got := p.play()
			switch {
			case i == 0:
				want = got
			case got != want:
				t.Errorf("%s:\n%s\n%s:\n%s", backends[0], want, backends[i], got)
			}
		}
	})
}

// player turns bytes into lists of operations and writes down what becomes of them.
type player struct {
	*on
	program []byte
	dir     string
	lanes   [3]lane
	log     strings.Builder
}

// lane is what the operations of one chain work on.
type lane struct {
	dir    string
	file   int
	rd, wr int
	opened *op.Op   // an Open earlier in the chain
	bufs   [][]byte // of the reads of the list
}

func (p *player) next(n int) int {
	if len(p.program) == 0 {
		return 0
	}
	b := int(p.program[0])
	p.program = p.program[1:]
	return b % n
}

func (p *player) play() string {
	p.dir = p.TempDir()
	for i := range p.lanes {
		l := &p.lanes[i]
		l.dir = filepath.Join(p.dir, fmt.Sprint(i))
		if err := os.Mkdir(l.dir, 0o700); err != nil {
			p.Fatal(err)
		}
		var err error
		if l.file, err = unix.Open(filepath.Join(l.dir, "open"), unix.O_RDWR|unix.O_CREAT|unix.O_CLOEXEC,
			0o600); err != nil {
			p.Fatal(err)
		}
		defer unix.Close(l.file)
		l.rd, l.wr = p.pipe()
	}
	for len(p.program) > 0 {
		p.list()
	}
	if err := filepath.WalkDir(p.dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		fmt.Fprint(&p.log, strings.TrimPrefix(path, p.dir), " ", d.Type(), " ")
		if d.Type().IsRegular() {
			data, err := os.ReadFile(path)
			fmt.Fprint(&p.log, len(data), " ", crc32.ChecksumIEEE(data), " ", err)
		}
		fmt.Fprintln(&p.log)
		return nil
	}); err != nil {
		p.Fatal(err)
	}
	return p.log.String()
}

// list submits one to three chains at once.
func (p *player) list() {
	var ops []*op.Op
	for i := range 1 + p.next(len(p.lanes)) {
		l := &p.lanes[i]
		l.opened, l.bufs = nil, nil
		for n := 1 + p.next(6); n > 0; n-- {
			o, guarded := p.op(l)
			last := n == 1
			how := p.next(8)
			switch {
			case guarded:
				if how%2 == 0 {
					o.Link()
				} else {
					o.LinkAlways()
				}
				limit := op.LinkTimeout(short / 5)
				if !last {
					limit.Link()
				}
				ops = append(ops, o, limit)
				continue
			case last:
			case how < 5:
				o.Link()
			default:
				o.LinkAlways()
			}
			ops = append(ops, o)
		}
	}
	err := p.do(ops...)
	for i, o := range ops {
		n := fmt.Sprint(results(o))
		if o.Err == nil && o.String() == "open" {
			n = "opened"
			unix.Close(o.N)
		}
		fmt.Fprint(&p.log, o, "=", n, " ")
		if i == len(ops)-1 {
			var e *op.Error
			if err != nil {
				e = err.(*op.Error)
				fmt.Fprint(&p.log, "first ", e.Index)
			}
		}
	}
	for i := range p.lanes {
		for _, b := range p.lanes[i].bufs {
			fmt.Fprintf(&p.log, " %x", crc32.ChecksumIEEE(b))
		}
		p.lanes[i].bufs = nil
	}
	fmt.Fprintln(&p.log)
}

// op makes an operation of a lane. One that may wait for ever is to be guarded.
func (p *player) op(l *lane) (o *op.Op, guarded bool) {
	names := []string{"a", "b", "sub", "sub/a", "none/x", ""}
	name := func() string { return filepath.Join(l.dir, names[p.next(len(names))]) }
	size := func() int { return p.next(5) * p.next(5000) }
	data := func() []byte {
		b := make([]byte, size())
		for i := range b {
			b[i] = byte(i * 7)
		}
		return b
	}
	room := func() []byte {
		b := make([]byte, size())
		l.bufs = append(l.bufs, b)
		return b
	}
	fd := func(o *op.Op) *op.Op {
		if l.opened != nil && p.next(2) == 0 {
			o.From(l.opened)
		}
		return o
	}
	// from returns an offset or a length, of which the least is one that is allowed if there may be
	// no such descriptor, or not for this: of two mistakes a kernel tells either.
	from := func(least int64) int64 {
		n := int64(p.next(4)*1000 - p.next(3))
		if l.opened != nil {
			n = max(n, least)
		}
		return n
	}
	off := func() int64 { return from(op.Stream) }
	switch p.next(20) {
	case 0:
		return op.Nop(), false
	case 1, 2:
		return fd(op.Write(l.file, data(), off())), false
	case 3, 4:
		return fd(op.Read(l.file, room(), off())), false
	case 5:
		return fd(op.Writev(l.file, [][]byte{data(), data()}, off())), false
	case 6:
		return fd(op.Readv(l.file, [][]byte{room(), room()}, off())), false
	case 7:
		return fd(op.Fsync(l.file)), false
	case 8:
		return fd(op.Ftruncate(l.file, from(0))), false
	case 9:
		return fd(op.Fallocate(l.file, 0, from(0), int64(size()))), false
	case 10:
		return op.Rename(op.CWD, name(), op.CWD, name(), p.next(2)), false
	case 11:
		return op.Unlink(op.CWD, name()), false
	case 12:
		return op.Mkdir(op.CWD, name(), 0o700), false
	case 13:
		return op.Rmdir(op.CWD, name()), false
	case 14:
		return op.Hardlink(op.CWD, name(), op.CWD, name(), 0), false
	case 15:
		return op.Symlink("x", op.CWD, name()), false
	case 16:
		if l.opened == nil {
			flags := []int{unix.O_RDWR, unix.O_RDWR | unix.O_CREAT, unix.O_RDWR | unix.O_CREAT | unix.O_EXCL,
				unix.O_RDONLY}
			l.opened = op.Open(op.CWD, name(), flags[p.next(len(flags))], 0o600)
			return l.opened, false
		}
		return op.Statx(op.CWD, name(), 0, unix.STATX_SIZE, new(op.Stat)), false
	case 17:
		return op.Write(l.wr, data()[:0], op.Stream), false
	case 18:
		return op.Read(l.rd, room()[:], op.Stream), true
	default:
		b := data()
		return op.Write(l.wr, b[:min(len(b), 10)], op.Stream), false
	}
}
