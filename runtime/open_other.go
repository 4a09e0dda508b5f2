//go:build !unix

package runtime

// openNonblock: there is no opening without waiting.
const openNonblock = 0
