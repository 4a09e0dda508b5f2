package report

import (
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"runtime/debug"
	"strings"
)

// Machine is where figures come from.
type Machine struct {
	System   string `json:"system"` // kernel and its version
	Arch     string `json:"arch"`
	CPU      string `json:"cpu,omitempty"`
	CPUs     int    `json:"cpus"`
	Procs    int    `json:"gomaxprocs"`
	Governor string `json:"governor,omitempty"` // of the processors' clock
	Go       string `json:"go"`
	Commit   string `json:"commit,omitempty"` // of the program
}

// ThisMachine describes the machine that the program runs on.
func ThisMachine() Machine {
	m := Machine{System: runtime.GOOS, Arch: runtime.GOARCH, CPUs: runtime.NumCPU(), Procs: runtime.GOMAXPROCS(0),
		Go: runtime.Version(), Governor: line("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor"), Commit: commit()}
	if v := line("/proc/sys/kernel/osrelease"); v != "" {
		m.System = "Linux " + v
	}
	text, _ := os.ReadFile("/proc/cpuinfo")
	for l := range strings.Lines(string(text)) {
		if name, value, ok := strings.Cut(l, ":"); ok && strings.TrimSpace(name) == "model name" {
			m.CPU = strings.TrimSpace(value)
			break
		}
	}
	return m
}

// line is the first line of a small file, or "".
func line(path string) string {
	text, err := os.ReadFile(path)
	if err != nil {
		return ""
	}
	first, _, _ := strings.Cut(string(text), "\n")
	return strings.TrimSpace(first)
}

// commit is that of the build, or else of the directory that the program runs in.
func commit() string {
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, s := range info.Settings {
			if s.Key == "vcs.revision" {
				return s.Value
			}
		}
	}
	out, err := exec.Command("git", "rev-parse", "--short=12", "HEAD").Output()
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(out))
}

// String is the machine in one line.
func (m Machine) String() string {
	text := fmt.Sprintf("%s, %s, %s, %d CPUs, GOMAXPROCS %d", m.System, m.Arch, m.Go, m.CPUs, m.Procs)
	if m.CPU != "" {
		text += ", " + m.CPU
	}
	if m.Governor != "" {
		text += ", governor " + m.Governor
	}
	if m.Commit != "" {
		text += ", commit " + m.Commit
	}
	return text
}
