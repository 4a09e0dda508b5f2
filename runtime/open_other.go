//go:build !unix

package runtime

// openNonblock is 0: these systems have no open that does not wait.
const openNonblock = 0

// openNoFollow is 0: these systems have no open that fails at symbolic links.
const openNoFollow = 0
