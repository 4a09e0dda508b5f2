//go:build !weir_portable

package misuse

var buildTags []string
