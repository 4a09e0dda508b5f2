// Package backoff decides whether to do what may turn out to have been for nothing.
package backoff

// Backoff is what has been learned so far. The zero value is eager.
type Backoff struct{ skip, left uint8 }

// most is how often in a row it says no at most.
const most = 64

// Doubtful is a Backoff that says no some times first.
func Doubtful() Backoff { return Backoff{8, 8} }

// Eager reports whether to do it this time. One time for nothing is no reason to say no; after each
// that follows it says no 1, 2, 4, ... up to 64 times in a row.
func (b *Backoff) Eager() bool {
	if b.left > 0 {
		b.left--
		return false
	}
	return true
}

// Found notes that it was good for something.
func (b *Backoff) Found() { b.skip = 0 }

// Disappointed notes that it was for nothing.
func (b *Backoff) Disappointed() {
	b.left = b.skip
	b.skip = min(max(2*b.skip, 1), most)
}
