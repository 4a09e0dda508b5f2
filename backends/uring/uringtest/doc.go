// Package uringtest makes rings look older or stricter than the kernel is, for whole test binaries,
// by the environment:
//
//	WEIR_URING=rung=2,hide=0x28000   the third rung of the set-up ladder, without these features
//	WEIR_URING=without=recv          the kernel lacks this operation; all: all but essential ones
//	WEIR_URING=deny=27               the kernel denies this opcode; all: all but essential ones
package uringtest
