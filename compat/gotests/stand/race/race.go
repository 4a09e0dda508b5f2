// Package race stands in for internal/race.
package race

const Enabled = false
