//go:build linux

package guide_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync"

	"github.com/weirgo/weir/aio"
	"github.com/weirgo/weir/aio/op"
)

// save replaces the file name. After a crash it has all of the old content or all of the new one.
func save(name string, content []byte) error {
	temp := name + ".new"
	f, err := aio.Create(temp)
	if err != nil {
		return err
	}
	_, err = f.Write(content)
	if err == nil {
		err = f.Sync() // the content is on the device before the name leads to it
	}
	if err := errors.Join(err, f.Close()); err != nil {
		return err
	}
	if err := aio.Rename(temp, name); err != nil {
		return err
	}
	dir, err := aio.Open(filepath.Dir(name))
	if err != nil {
		return err
	}
	return errors.Join(dir.Sync(), dir.Close()) // and so is the name
}

func Example_save() {
	dir, err := os.MkdirTemp("", "guide")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(dir)
	name := filepath.Join(dir, "state")
	fmt.Println(save(name, []byte("one")), save(name, []byte("two")))
	text, err := aio.ReadFile(name)
	fmt.Printf("%s %v\n", text, err)
	// Output:
	// <nil> <nil>
	// two <nil>
}

// appendRecord writes a record at off and makes it durable. The second operation starts when the
// first has written all of it.
func appendRecord(ctx context.Context, f *aio.File, record []byte, off int64) error {
	return aio.Do(ctx,
		op.Write(-1, record, off).On(f).Link(),
		op.Fdatasync(-1).On(f),
	)
}

func Example_appendRecord() {
	f, err := aio.CreateTemp("", "guide")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.Remove(f.Name())
	defer f.Close()
	fmt.Println(appendRecord(context.Background(), f, []byte("first\n"), 0))
	fmt.Println(appendRecord(context.Background(), f, []byte("second\n"), 6))
	text, err := aio.ReadFile(f.Name())
	fmt.Printf("%q %v\n", text, err)
	// Output:
	// <nil>
	// <nil>
	// "first\nsecond\n" <nil>
}

// checksum adds up a file's bytes. Its goroutines read side by side, and what the page cache does
// not hold goes to the kernel in few system calls.
func checksum(f *aio.File, size int64) (sum uint64, err error) {
	const block = 64 << 10
	var mu sync.Mutex
	var readers sync.WaitGroup
	for off := int64(0); off < size; off += block {
		readers.Go(func() {
			buf := make([]byte, block)
			n, readErr := f.ReadAt(buf, off)
			part := uint64(0)
			for _, b := range buf[:n] {
				part += uint64(b)
			}
			mu.Lock()
			defer mu.Unlock()
			sum += part
			if readErr != nil && readErr != io.EOF {
				err = readErr
			}
		})
	}
	readers.Wait()
	return sum, err
}

func Example_checksum() {
	f, err := aio.CreateTemp("", "guide")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.Remove(f.Name())
	defer f.Close()
	content := make([]byte, 1<<20)
	for i := range content {
		content[i] = byte(i % 2)
	}
	if _, err := f.WriteAt(content, 0); err != nil {
		fmt.Println(err)
	}
	fmt.Println(checksum(f, int64(len(content))))
	// Output:
	// 524288 <nil>
}
