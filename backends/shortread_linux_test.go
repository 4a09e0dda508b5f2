package backends

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"
)

// A read at the position of a disk's file ends at the end of the file or of the buffer, not at the
// end of what the page cache holds of it, which is where RWF_NOWAIT stops.
func TestTryReadsPastTheCache(t *testing.T) {
	const size = 4 << 20
	content := bytes.Repeat([]byte("content."), size/8)
	for _, vectored := range []bool{false, true} {
		name := filepath.Join(t.TempDir(), "file")
		if err := os.WriteFile(name, content, 0o600); err != nil {
			t.Fatal(err)
		}
		file, err := os.Open(name)
		if err != nil {
			t.Fatal(err)
		}
		defer file.Close()
		fd := int(file.Fd())
		if err := unix.Fsync(fd); err != nil {
			t.Fatal(err)
		}
		if err := unix.Fadvise(fd, size/2, 0, unix.FADV_DONTNEED); err != nil {
			t.Fatal(err)
		}
		buf := make([]byte, size+8)
		op := Op{Code: OpRead, FD: fd, Buf: buf, Off: Stream}
		if vectored {
			op = Op{Code: OpReadv, FD: fd, Bufs: [][]byte{buf[:1000], buf[1000:]}, Off: Stream}
		}
		res, sure := Try(&op, 0)
		if int(res) != len(content) || !sure || !bytes.Equal(buf[:len(content)], content) {
			t.Errorf("Try(%v) of %d bytes of which half are cached = %d, %v", op.Code, len(content), res, sure)
		}
		if res, sure := Try(&op, 0); res != 0 || !sure {
			t.Errorf("Try(%v) at the end = %d, %v", op.Code, res, sure)
		}
	}
}
