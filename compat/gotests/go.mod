module github.com/weirgo/weir/compat/gotests

go 1.25.0

replace github.com/weirgo/weir => ../../

require (
	github.com/weirgo/weir v0.0.0-00010101000000-000000000000
	golang.org/x/net v0.57.0
	golang.org/x/sys v0.47.0
)
