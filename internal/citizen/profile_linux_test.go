package citizen

import (
	"compress/gzip"
	"encoding/binary"
	"errors"
	"io"
)

// profileSamples counts the samples in a CPU profile: a message of protocol buffers, whose field 2
// is a sample, whose field 2 are its values, of which the first is a count.
func profileSamples(r io.Reader) (int, error) {
	z, err := gzip.NewReader(r)
	if err != nil {
		return 0, err
	}
	all, err := io.ReadAll(z)
	if err != nil {
		return 0, err
	}
	n := 0
	err = fields(all, func(field uint64, sample []byte) error {
		if field != 2 {
			return nil
		}
		return fields(sample, func(field uint64, values []byte) error {
			if field != 2 {
				return nil
			}
			v, size := binary.Uvarint(values)
			if size <= 0 {
				return errProfile
			}
			n += int(v)
			return nil
		})
	})
	return n, err
}

var errProfile = errors.New("not a profile")

// fields calls f for each field of a message that has a length.
func fields(p []byte, f func(field uint64, value []byte) error) error {
	for len(p) > 0 {
		key, n := binary.Uvarint(p)
		if n <= 0 {
			return errProfile
		}
		p = p[n:]
		v, n := binary.Uvarint(p)
		if n <= 0 {
			return errProfile
		}
		p = p[n:]
		switch key & 7 {
		case 0: // a number
		case 2: // so many bytes
			if v > uint64(len(p)) {
				return errProfile
			}
			if err := f(key>>3, p[:v]); err != nil {
				return err
			}
			p = p[v:]
		default:
			return errProfile
		}
	}
	return nil
}
