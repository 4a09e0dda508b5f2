package uring

import (
	"testing"

	"github.com/weirgo/weir/backends"
	"github.com/weirgo/weir/internal/sys"
)

// What the kernel says about opcodes is what Supports says about operations.
func TestSupports(t *testing.T) {
	b := openOrSkip(t, Config{})
	defer b.Close()
	has, err := sys.Opcodes(b.ring.FD())
	if err != nil {
		t.Fatal(err)
	}
	if !has[sys.OpNop] || !has[sys.OpRead] {
		t.Fatalf("the kernel is said to lack NOP or READ: %v", has)
	}
	for code := range backends.Code(backends.NumCodes) {
		e, ok := tryEncode(b, &backends.Completion{Op: simplest(code)})
		if ok && b.Supports(code) != has[e.Opcode] {
			t.Errorf("Supports(%v) is %v, and the kernel says of opcode %d: %v", code, b.Supports(code), e.Opcode,
				has[e.Opcode])
		}
	}
	if b.Supports(backends.Code(backends.NumCodes)) {
		t.Error("an unknown operation is supported")
	}
}

// A kernel that does not answer has nothing that came after 5.13.
func TestSupportsOld(t *testing.T) {
	b := openOrSkip(t, Config{})
	b.Close()
	b.probe() // on a ring that is gone
	for code := range backends.Code(backends.NumCodes) {
		if _, young := younger[code]; b.Supports(code) == young {
			t.Errorf("Supports(%v) is %v", code, !young)
		}
	}
}
