package uring

import (
	"github.com/weirgo/weir/backends"
	"github.com/weirgo/weir/internal/sys"
)

// younger lists the operations that a kernel may lack although it has everything else that weir
// needs (5.13).
var younger = map[backends.Code][]sys.Opcode{
	backends.OpMkdir:     {sys.OpMkdirat},                   // 5.15
	backends.OpSymlink:   {sys.OpSymlinkat},                 // 5.15
	backends.OpLink:      {sys.OpLinkat},                    // 5.15
	backends.OpGetxattr:  {sys.OpGetxattr, sys.OpFgetxattr}, // 5.19
	backends.OpSetxattr:  {sys.OpSetxattr, sys.OpFsetxattr}, // 5.19
	backends.OpSocket:    {sys.OpSocket},                    // 5.19
	backends.OpSendZC:    {sys.OpSendZC},                    // 6.0
	backends.OpSendMsgZC: {sys.OpSendmsgZC},                 // 6.1
	backends.OpWaitid:    {sys.OpWaitid},                    // 6.7
	backends.OpFutexWait: {sys.OpFutexWait},                 // 6.7
	backends.OpFutexWake: {sys.OpFutexWake},                 // 6.7
	backends.OpFtruncate: {sys.OpFtruncate},                 // 6.9
	backends.OpBind:      {sys.OpBind},                      // 6.11
	backends.OpListen:    {sys.OpListen},                    // 6.11
	backends.OpPipe:      {sys.OpPipe},                      // 6.16
}

// Supports reports whether this ring has the operation. What it lacks must not be submitted:
// backends.Perform does it, on a thread that may block. Any goroutine may call it.
func (b *Backend) Supports(code backends.Code) bool {
	return int(code) < len(b.lacks) && !b.lacks[code]
}

// probe asks the kernel which opcodes it has. A kernel that does not answer counts as having the
// oldest set only.
func (b *Backend) probe() {
	b.counters.others.Add(1)
	has, err := sys.Opcodes(b.ring.FD())
	for _, code := range b.cfg.Without {
		b.lacks[code] = true
	}
	for code, needs := range younger {
		for _, opcode := range needs {
			if err != nil || !has[opcode] {
				b.lacks[code] = true
			}
		}
	}
}
