//go:build !weir_nolinkname

package sys

const linknamed = true
