//go:build race

package citizen

const raceEnabled = true
