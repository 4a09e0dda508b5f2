//go:build gc

#include "go_asm.h"
#include "textflag.h"

// func here(p *Goroutine)
TEXT ·here(SB), NOSPLIT, $0-8
	MOVD p+0(FP), R0
	MOVD $p+0(FP), R1
	MOVD R1, Goroutine_stack(R0)
	MOVD g, Goroutine_record(R0)
	RET

// func fetch(at uintptr, n int)
TEXT ·fetch(SB), NOSPLIT, $0-16
	MOVD at+0(FP), R0
	MOVD n+8(FP), R1

next:
	PRFM (R0), PLDL1KEEP
	ADD  $64, R0
	SUBS $1, R1
	BNE  next
	RET

// func through(at uintptr)
TEXT ·through(SB), NOSPLIT, $0-8
	MOVD at+0(FP), R0
	AND  $(const_page-1), R0, R1
	CMP  $(const_page-24), R1
	BHI  done
	MOVD 8(R0), R1
	MOVD 16(R0), R2
	PRFM (R1), PLDL1KEEP
	PRFM (R2), PLDL1KEEP

done:
	RET
