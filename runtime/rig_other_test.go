//go:build !linux

package runtime

import "time"

const foreignRing = false

func systemDrives() []lane { return nil }
func systemLoops() []lane  { return nil }
func openFDs() []string    { return nil }
func workers() []string    { return nil }

func cpuTime() time.Duration { return 0 }
