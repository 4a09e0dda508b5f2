//go:build !weir_portable

package aio_test

import (
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/weirgo/weir/aio"
)

// The benchmarks of the dispatch policy: what callers do by themselves, what goes through a loop,
// and package os or net beside it. They run the sides one after the other; for ratios to quote use
// the stress program, which pairs them.

// BenchmarkReadAt reads random 4 KiB blocks of a file, past the page cache and from it.
func BenchmarkReadAt(b *testing.B) {
	const block, blocks = 4096, 16384
	path := filepath.Join(b.TempDir(), "f")
	if err := os.WriteFile(path, make([]byte, block*blocks), 0o600); err != nil {
		b.Fatal(err)
	}
	for _, cache := range []struct {
		name string
		flag int
	}{{"direct", unix.O_DIRECT}, {"cached", 0}} {
		std, err := os.OpenFile(path, os.O_RDONLY|cache.flag, 0)
		if err != nil {
			b.Log(cache.name, err)
			continue
		}
		defer std.Close()
		for _, goroutines := range []int{1, 4, 16, 64, 256} {
			run := func(b *testing.B, f io.ReaderAt) {
				var left atomic.Int64
				left.Store(int64(b.N))
				var wg sync.WaitGroup
				for range goroutines {
					wg.Add(1)
					go func() {
						defer wg.Done()
						buf, err := unix.Mmap(-1, 0, block, unix.PROT_READ|unix.PROT_WRITE,
							unix.MAP_ANON|unix.MAP_PRIVATE)
						if err != nil {
							b.Error(err)
							return
						}
						defer unix.Munmap(buf)
						for left.Add(-1) >= 0 {
							if _, err := f.ReadAt(buf, rand.Int64N(blocks)*block); err != nil {
								b.Error(err)
								return
							}
						}
					}()
				}
				wg.Wait()
			}
			name := fmt.Sprintf("%s/%d", cache.name, goroutines)
			b.Run(name+"/os", func(b *testing.B) { run(b, std) })
			for _, d := range drives {
				b.Run(name+"/"+d, func(b *testing.B) {
					lib := open(b, aio.Options{Drive: d})
					f, err := lib.OpenFile(path, os.O_RDONLY|cache.flag, 0)
					if err != nil {
						b.Fatal(err)
					}
					defer f.Close()
					b.ResetTimer()
					run(b, f)
				})
			}
		}
	}
}

// BenchmarkPingPong exchanges 64 bytes between pairs of goroutines over unix sockets.
func BenchmarkPingPong(b *testing.B) {
	for _, pairs := range []int{1, 16, 64, 256} {
		run := func(b *testing.B, conn func(f *os.File) (net.Conn, error)) {
			var left atomic.Int64
			var wg sync.WaitGroup
			var conns []net.Conn
			for range pairs {
				fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
				if err != nil {
					b.Fatal(err)
				}
				for _, fd := range fds {
					f := os.NewFile(uintptr(fd), "pair")
					c, err := conn(f)
					f.Close()
					if err != nil {
						b.Fatal(err)
					}
					conns = append(conns, c)
				}
			}
			left.Store(int64(b.N))
			b.ResetTimer()
			for i := 0; i < len(conns); i += 2 {
				a, z := conns[i], conns[i+1]
				wg.Add(2)
				go func() {
					defer wg.Done()
					defer a.Close()
					buf := make([]byte, 64)
					for left.Add(-1) >= 0 {
						if _, err := a.Write(buf); err != nil {
							b.Error(err)
						}
						if _, err := io.ReadFull(a, buf); err != nil {
							b.Error(err)
						}
					}
				}()
				go func() {
					defer wg.Done()
					defer z.Close()
					io.CopyBuffer(struct{ io.Writer }{z}, struct{ io.Reader }{z}, make([]byte, 64))
				}()
			}
			wg.Wait()
		}
		b.Run(fmt.Sprintf("%d/net", pairs), func(b *testing.B) { run(b, net.FileConn) })
		for _, d := range drives {
			b.Run(fmt.Sprintf("%d/%s", pairs, d), func(b *testing.B) {
				run(b,
					open(b, aio.Options{Drive: d}).FileConn)
			})
		}
	}
}

// TestDirectCount guards that what callers do by themselves is counted: of a stream that has room
// and bytes, each call.
func TestDirectCount(t *testing.T) {
	weir, err := aio.New(aio.Options{Drive: "auto", Backend: os.Getenv("WEIR_BACKEND")})
	if err != nil {
		t.Fatal(err)
	}
	defer weir.Close()
	a, b := tcpPair(t, weir)
	const n = 20
	p := make([]byte, 1)
	before := weir.Stats()
	for range n {
		if _, err := a.Write(p); err != nil {
			t.Fatal(err)
		}
	}
	for range n {
		if _, err := b.Read(p); err != nil {
			t.Fatal(err)
		}
	}
	after := weir.Stats()
	if direct, all := after.Direct-before.Direct, after.Total()-before.Total(); direct < 2*n-2 || all != 2*n {
		t.Errorf("%d operations, %d of them direct, want %d and nearly all", all, direct, 2*n)
	}
}
