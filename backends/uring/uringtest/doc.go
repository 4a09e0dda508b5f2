// Package uringtest makes rings look older or stricter than the kernel is, for whole test binaries, by the environment:
//
//	WEIR_URING=rung=2,hide=0x28000   the third rung of the set-up ladder, without these features
//	WEIR_URING=without=recv          the kernel does not have this operation; all: nothing but what is essential
//	WEIR_URING=deny=27               the kernel denies this opcode; all: all but those that are essential
package uringtest
