//go:build !gc || race || msan || asan || go1.27 || weir_nopark || weir_nolinkname

package citizen

// waitsAreNamed: weir's waits are shown as package net's, which takes linknames.
const waitsAreNamed = false
