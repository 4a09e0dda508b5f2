//go:build !race

package citizen

const raceEnabled = false
