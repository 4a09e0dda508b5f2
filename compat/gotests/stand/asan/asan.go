// Package asan stands in for internal/asan.
package asan

const Enabled = false
