//go:build !linux || weir_portable

package aio_test

// ownTypes: connections and files are weir's own, and not those of packages net and os.
const ownTypes = false
