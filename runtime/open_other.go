//go:build !unix

package runtime

// openNonblock: there is no opening without waiting.
const openNonblock = 0

// openNoFollow: nor one that fails at symbolic links.
const openNoFollow = 0
