// Package backoff decides whether an attempt that has failed of late is worth another try.
package backoff

// Backoff is the record of past attempts. The zero value says yes.
type Backoff struct{ skip, left uint8 }

// most is the largest number of attempts in a row that are left out.
const most = 64

// Doubtful returns a Backoff that says no 8 times first.
func Doubtful() Backoff { return Backoff{8, 8} }

// Allow reports whether to make the attempt this time. The first failure has no effect. After each
// further failure in a row Eager reports false 1, 2, 4, ... up to 64 times.
func (b *Backoff) Allow() bool {
	if b.left > 0 {
		b.left--
		return false
	}
	return true
}

// Hit records that the attempt succeeded.
func (b *Backoff) Hit() { b.skip = 0 }

// Miss records that the attempt failed.
func (b *Backoff) Miss() {
	b.left = b.skip
	b.skip = min(max(2*b.skip, 1), most)
}
