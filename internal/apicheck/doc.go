// Package apicheck holds what weir's packages export to the listings in the directory api. It is a
// test and nothing else. docs/versioning.md has its rules.
package apicheck
