package uring

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"syscall"

	"github.com/weirgo/weir/internal/sys"
)

const requiredFeatures = sys.FeatSingleMmap | sys.FeatNoDrop | sys.FeatSubmitStable | sys.FeatRWCurPos |
	sys.FeatFastPoll | sys.FeatPoll32Bits | sys.FeatExtArg | sys.FeatRsrcTags

const always = sys.SetupClamp | sys.SetupCQSize | sys.SetupRDisabled

const (
	coop   = sys.SetupCoopTaskrun | sys.SetupTaskrunFlag | sys.SetupSubmitAll
	single = sys.SetupSingleIssuer | sys.SetupDeferTaskrun | coop
)

// ladder lists the set-ups, newest flags first. EINVAL means that a flag is unknown: the next rung
// has fewer.
var ladder = []uint32{
	single | sys.SetupNoSQArray, // 6.6
	single,                      // 6.1
	coop,                        // 5.19
	0,                           // 5.13
}

// setUp makes the best ring of this size that the kernel supports.
func setUp(cfg Config) (*ring, string, error) {
	return climb(ladder[min(cfg.Rung, len(ladder)-1):], func(flags uint32) (*ring, error) {
		return newRing(cfg.Entries, cfg.CQEntries, flags)
	})
}

// climb goes down the rungs until open succeeds on one.
func climb(rungs []uint32, open func(flags uint32) (*ring, error)) (*ring, string, error) {
	err := error(syscall.EINVAL)
	for _, flags := range rungs {
		var r *ring
		if r, err = open(flags | always); err == nil {
			return r, flagNames(flags), nil
		}
		if !errors.Is(err, syscall.EINVAL) {
			break
		}
	}
	return nil, "", err
}

func flagNames(flags uint32) string {
	var names []string
	for _, f := range []struct {
		bit  uint32
		name string
	}{
		{sys.SetupSingleIssuer, "SINGLE_ISSUER"}, {sys.SetupDeferTaskrun, "DEFER_TASKRUN"},
		{sys.SetupCoopTaskrun, "COOP_TASKRUN"}, {sys.SetupTaskrunFlag, "TASKRUN_FLAG"},
		{sys.SetupSubmitAll, "SUBMIT_ALL"}, {sys.SetupNoSQArray, "NO_SQARRAY"},
	} {
		if flags&f.bit != 0 {
			names = append(names, f.name)
		}
	}
	if names == nil {
		return "plain"
	}
	return strings.Join(names, "|")
}

// features are the names of IORING_FEAT_*, by bit.
var features = [...]string{
	"SINGLE_MMAP", "NODROP", "SUBMIT_STABLE", "RW_CUR_POS", "CUR_PERSONALITY", "FAST_POLL", "POLL_32BITS",
	"SQPOLL_NONFIXED",
	"EXT_ARG", "NATIVE_WORKERS", "RSRC_TAGS", "CQE_SKIP", "LINKED_FILE", "REG_REG_RING", "RECVSEND_BUNDLE",
	"MIN_TIMEOUT",
	"RW_ATTR", "NO_IOWAIT",
}

func featureNames(bits uint32) []string {
	var names []string
	for i, name := range features {
		if bits&(1<<i) != 0 {
			names = append(names, name)
		}
	}
	return names
}

// disabledSysctl is kernel.io_uring_disabled (Linux 6.6). Tests replace it.
var disabledSysctl = "/proc/sys/kernel/io_uring_disabled"

// explain adds to a set-up error its usual cause and the remedy.
func explain(err error) error {
	var why string
	switch {
	case errors.Is(err, syscall.ENOSYS):
		why = "the kernel has no io_uring (older than Linux 5.1, built without CONFIG_IO_URING, or gVisor), or a " +
			"seccomp filter hides it"
	case errors.Is(err, syscall.EPERM):
		switch v, _ := os.ReadFile(disabledSysctl); strings.TrimSpace(string(v)) {
		case "2":
			why = "io_uring is switched off for everybody: sysctl kernel.io_uring_disabled=0 allows it"
		case "1":
			why = "io_uring is allowed for privileged processes only: sysctl kernel.io_uring_disabled=0 allows it to " +
				"all, kernel.io_uring_group to one group"
		default:
			why = "a seccomp filter denies it, as container runtimes do by default (docker run --security-opt " +
				"seccomp=PROFILE with a profile that allows io_uring_setup, io_uring_enter and io_uring_register), " +
				"or a security module does"
		}
	case errors.Is(err, syscall.EACCES):
		why = "a security module such as SELinux denies it"
	case errors.Is(err, syscall.ENOMEM):
		why = "out of memory, or over RLIMIT_MEMLOCK (ulimit -l), against which Linux counts rings before 5.12 and " +
			"again on 6.18"
	case errors.Is(err, syscall.EMFILE), errors.Is(err, syscall.ENFILE):
		why = "no file descriptor left (ulimit -n)"
	case errors.Is(err, syscall.EINVAL):
		why = "the kernel knows none of the set-ups that weir can use (Linux 5.13 or newer is needed)"
	default:
		return err
	}
	return fmt.Errorf("%w: %s", err, why)
}
