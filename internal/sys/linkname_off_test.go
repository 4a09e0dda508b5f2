//go:build go1.27 || weir_nohandoff || weir_nolinkname

package sys

const linknamed = false
