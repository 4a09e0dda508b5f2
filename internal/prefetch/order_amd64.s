//go:build gc && !go1.27 && !weir_noprefetch && !weir_nolinkname

#include "go_asm.h"
#include "textflag.h"

// func enter(o *order, then, also, data Addr) (n uint32, time int64)
TEXT ·enter(SB), NOSPLIT, $0-48
	MOVQ  o+0(FP), AX
	MOVQ  then+8(FP), BX
	MOVQ  also+16(FP), CX
	MOVQ  data+24(FP), R8
	LEAQ  o+0(FP), DX
	MOVQ  (TLS), SI
	MOVQ  $0, time+40(FP)
	MOVL  order_left(AX), DI // once: others may change it meanwhile
	TESTL DI, DI
	JEQ   untimed
	DECL  DI
	MOVL  DI, order_left(AX)
	MOVQ  order_time(AX), DI
	MOVQ  DI, time+40(FP)

untimed:
	MOVL order_n(AX), DI
	INCL order_n(AX)
	MOVL DI, n+32(FP)
	ANDL $(const_orderSize-1), DI
	IMUL3Q $place__size, DI, DI
	LEAQ order_places(AX)(DI*1), AX
	MOVQ DX, (place_goroutine+Goroutine_stack)(AX)
	MOVQ SI, (place_goroutine+Goroutine_record)(AX)
	MOVQ 8(SI), SI // the record begins with where the stack begins and ends
	MOVQ SI, place_end(AX)
	MOVQ BX, place_then(AX)
	MOVQ CX, place_also(AX)
	MOVQ R8, place_data(AX)
	RET

// func next(o *order, n uint32) (fetched bool)
TEXT ·next(SB), NOSPLIT, $0-17
	MOVQ o+0(FP), AX
	MOVL n+8(FP), BX
	MOVL order_n(AX), CX
	SUBL BX, CX
	SUBL $const_crowd, CX
	CMPL CX, $(const_orderSize-const_crowd)
	SETLS fetched+16(FP)
	JHI  none
	ANDL $(const_orderSize-1), BX
	IMUL3Q $place__size, BX, BX
	LEAQ order_places(AX)(BX*1), AX
	MOVQ (place_goroutine+Goroutine_stack)(AX), BX
	MOVQ place_end(AX), R8
	MOVQ (place_goroutine+Goroutine_record)(AX), CX
	MOVQ place_then(AX), DX
	MOVQ place_also(AX), SI
	MOVQ place_data(AX), DI

	// Without calls: their code would have to be fetched first.
	PREFETCHT0 (CX)
	PREFETCHT0 64(CX)
	PREFETCHT0 128(CX)
	PREFETCHT0 192(CX)
	PREFETCHT0 384(CX)
	PREFETCHT0 (DX)
	PREFETCHT0 64(DX)
	PREFETCHT0 (SI)
	PREFETCHT0 (DI)
	SUBQ       $128, BX
	LEAQ       (const_deepLines*64)(BX), CX
	CMPQ       R8, CX
	CMOVQHI    CX, R8

stack:
	PREFETCHT0 (BX)
	ADDQ       $64, BX
	CMPQ       BX, R8
	JCS        stack

none:
	RET
