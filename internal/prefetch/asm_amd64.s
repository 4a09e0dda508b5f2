//go:build gc

#include "go_asm.h"
#include "textflag.h"

// func here(p *Goroutine)
TEXT ·here(SB), NOSPLIT, $0-8
	MOVQ p+0(FP), AX
	LEAQ p+0(FP), BX
	MOVQ (TLS), CX
	MOVQ BX, Goroutine_stack(AX)
	MOVQ CX, Goroutine_record(AX)
	RET

// func fetch(at uintptr, n int)
TEXT ·fetch(SB), NOSPLIT, $0-16
	MOVQ at+0(FP), AX
	MOVQ n+8(FP), CX

next:
	PREFETCHT0 (AX)
	ADDQ       $64, AX
	DECQ       CX
	JNZ        next
	RET

// func through(at uintptr)
TEXT ·through(SB), NOSPLIT, $0-8
	MOVQ       at+0(FP), AX
	MOVQ       AX, BX
	ANDQ       $(const_page-1), BX
	CMPQ       BX, $(const_page-24)
	JHI        done
	MOVQ       8(AX), BX
	MOVQ       16(AX), CX
	PREFETCHT0 (BX)
	PREFETCHT0 (CX)

done:
	RET
