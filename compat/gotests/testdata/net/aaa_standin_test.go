package net

import (
	"flag"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/weirgo/weir/compat/gotests/stand/poll"
	"github.com/weirgo/weir/compat/gotests/stand/socktest"
)

// What the tests of package net find in the package and in files that are not copied.

var sw socktest.Switch

func TestMain(m *testing.M) {
	flag.Parse()
	*testIPv4 = false // would dial other machines
	setupTestData()
	os.Exit(m.Run())
}

func uninstallTestHooks()                             {}
func addCmdInheritedHandle(cmd *exec.Cmd, fd uintptr) {}
func enableSocketConnect()                            {}
func disableSocketConnect(network string)             {}
func supportsIPv4() bool                              { return true }
func supportsIPv6() bool                              { return true }
func supportsIPv4map() bool                           { return true }

var (
	noDeadline   = time.Time{}
	aLongTimeAgo = time.Unix(1, 0)

	testHookStepTime        = func() {}
	testHookSetKeepAlive    = func(KeepAliveConfig) {}
	testPreHookSetKeepAlive = func(*netFD) {}
)

const (
	defaultTCPKeepAliveIdle     = 15 * time.Second
	defaultTCPKeepAliveInterval = 15 * time.Second
	defaultTCPKeepAliveCount    = 9
)

// netFD is what the tests look at in a socket.
type netFD struct {
	pfd    struct{ Sysfd int }
	family int
	net    string
	laddr  Addr
}

// fdOf asks the kernel about the socket of a connection or listener.
func fdOf(x any) *netFD {
	rc, err := x.(syscall.Conn).SyscallConn()
	if err != nil {
		panic(err)
	}
	fd := new(netFD)
	if cerr := rc.Control(func(s uintptr) {
		fd.pfd.Sysfd = int(s)
		fd.family, err = syscall.GetsockoptInt(int(s), syscall.SOL_SOCKET, syscall.SO_DOMAIN)
	}); cerr != nil || err != nil {
		panic(fmt.Sprint(cerr, err))
	}
	switch x := x.(type) {
	case Listener:
		fd.laddr = x.Addr()
	case PacketConn:
		fd.laddr = x.LocalAddr()
	}
	return fd
}

func portOf(x any) string {
	_, port, err := SplitHostPort(fdOf(x).laddr.String())
	if err != nil {
		panic(err)
	}
	return port
}

func ipOf(a any) IP {
	switch a := a.(type) {
	case *TCPAddr:
		return a.IP
	case *UDPAddr:
		return a.IP
	case *IPAddr:
		return a.IP
	}
	panic(fmt.Sprintf("the address of a %T", a))
}

func familyOf(a any) int {
	if ipOf(a).To4() != nil {
		return syscall.AF_INET
	}
	return syscall.AF_INET6
}

func isWildcard(a any) bool {
	ip := ipOf(a)
	return ip == nil || ip.IsUnspecified()
}

func zoneName(index int) string {
	ifi, err := InterfaceByIndex(index)
	if err != nil {
		return strconv.Itoa(index)
	}
	return ifi.Name
}

// Multipath TCP

const _IPPROTO_MPTCP = 0x106

var hasSOLMPTCP = true

func isUsingMPTCPProto(fd *netFD) bool {
	proto, _ := syscall.GetsockoptInt(fd.pfd.Sysfd, syscall.SOL_SOCKET, syscall.SO_PROTOCOL)
	return proto == _IPPROTO_MPTCP
}

// Keep-alive: the tests have hooks that tell of settings; here the socket tells.

// newKeepAlive are the settings of a socket that is new.
func newKeepAlive(t *testing.T) KeepAliveConfig {
	s, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer syscall.Close(s)
	cfg, err := getCurrentKeepAliveSettings(s)
	if err != nil {
		t.Fatal(err)
	}
	return cfg
}

func keepAliveIdle(c any) time.Duration {
	cfg, err := getCurrentKeepAliveSettings(fdOf(c).pfd.Sysfd)
	if err != nil {
		panic(err)
	}
	if !cfg.Enable {
		return -1
	}
	return cfg.Idle
}

// keepAliveSet is what a socket has where the hook is told d.
func keepAliveSet(d time.Duration) time.Duration {
	if d == 0 {
		return defaultTCPKeepAliveIdle
	}
	return d
}

// Errors and addresses whose types or values are a package's own

type (
	timeoutError struct{}
	pipeAddr     struct{}
	fileAddr     string
)

func (*timeoutError) Error() string { return "" }
func (*pipeAddr) Network() string   { return "" }
func (*pipeAddr) String() string    { return "" }
func (fileAddr) Network() string    { return "" }
func (fileAddr) String() string     { return "" }

// errorType gives an error the type that the tests have a case for.
func errorType(err error) error {
	switch {
	case err == nil:
		return nil
	case err == errTimeout, typeIs(err, "aio.timeoutError"):
		return &timeoutError{}
	case err == os.ErrDeadlineExceeded:
		return &poll.DeadlineExceededError{}
	}
	return err
}

// errorValue gives an error of weir's the value that package net has for it.
func errorValue(err error) error {
	switch {
	case err == nil:
		return nil
	case typeIs(err, "aio.canceledError"):
		return errCanceled
	case typeIs(err, "aio.timeoutError"):
		return errTimeout
	case err.Error() == errMissingAddress.Error():
		return errMissingAddress
	}
	return err
}

func addrType(a Addr) Addr {
	if typeIs(a, "net.fileAddr") || typeIs(a, "aio.fileAddr") {
		return fileAddr(a.String())
	}
	return a
}

func typeIs(x any, name string) bool { return fmt.Sprintf("%T", x) == name }

// runningGoroutines are those that the packages start.
func runningGoroutines() []string {
	b := make([]byte, 2<<20)
	b = b[:runtime.Stack(b, true)]
	var stacks []string
	for s := range strings.SplitSeq(string(b), "\n\n") {
		if strings.Contains(s, "created by net.") || strings.Contains(s, "created by gotests/") {
			stacks = append(stacks, s)
		}
	}
	return stacks
}

// Sendfile and splice: what the results are is seen, not that these system calls made them.

type spliceHook struct {
	called, handled bool
	dstfd, srcfd    int
	remain, written int64
	err             error
}

func supportsSendfile() bool                                           { return true }
func hookSupportsSendfile(*testing.T)                                  {}
func expectSendfile(t *testing.T, wantConn Conn, f func())             { t.Helper(); f() }
func hookSplice(*testing.T) *spliceHook                                { return new(spliceHook) }
func verifySpliceFds(t *testing.T, c Conn, h *spliceHook, name string) {}
func testSpliceNoUnixpacket(t *testing.T)                              { t.Skip("it calls what only package net has") }
func testSpliceNoUnixgram(t *testing.T)                                { t.Skip("it calls what only package net has") }

// Writes that do not wait

func writeOnce(c *TCPConn, b []byte) (n int, err error) {
	rc, err := c.SyscallConn()
	if err != nil {
		return 0, err
	}
	if werr := rc.Write(func(fd uintptr) bool {
		n, err = syscall.Write(int(fd), b)
		return true
	}); werr != nil {
		return 0, werr
	}
	return n, err
}

func waitWrite(c *TCPConn) error {
	rc, err := c.SyscallConn()
	if err != nil {
		return err
	}
	waited := false
	return rc.Write(func(fd uintptr) bool {
		defer func() { waited = true }()
		return waited
	})
}
