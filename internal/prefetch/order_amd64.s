//go:build gc && !weir_nolinkname

#include "go_asm.h"
#include "textflag.h"

// func enter(o *order, then, also Addr) (n uint32)
TEXT ·enter(SB), NOSPLIT, $0-28
	MOVQ o+0(FP), AX
	MOVQ then+8(FP), BX
	MOVQ also+16(FP), CX
	LEAQ o+0(FP), DX
	MOVQ (TLS), SI
	MOVL order_n(AX), DI
	INCL order_n(AX)
	MOVL DI, n+24(FP)
	ANDL $(const_orderSize-1), DI
	SHLL $5, DI
	LEAQ order_places(AX)(DI*1), AX
	MOVQ DX, (place_goroutine+Goroutine_stack)(AX)
	MOVQ SI, (place_goroutine+Goroutine_record)(AX)
	MOVQ BX, place_then(AX)
	MOVQ CX, place_also(AX)
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
	SHLL $5, BX
	LEAQ order_places(AX)(BX*1), AX
	MOVQ (place_goroutine+Goroutine_stack)(AX), BX
	MOVQ (place_goroutine+Goroutine_record)(AX), CX
	MOVQ place_then(AX), DX
	MOVQ place_also(AX), SI

	// What Goroutine.Fetch asks for and the rest, without calls and loops: their code would have to be fetched first.
	PREFETCHT0 (CX)
	PREFETCHT0 64(CX)
	PREFETCHT0 128(CX)
	PREFETCHT0 192(CX)
	PREFETCHT0 -128(BX)
	PREFETCHT0 -64(BX)
	PREFETCHT0 (BX)
	PREFETCHT0 64(BX)
	PREFETCHT0 128(BX)
	PREFETCHT0 192(BX)
	PREFETCHT0 256(BX)
	PREFETCHT0 320(BX)
	PREFETCHT0 384(BX)
	PREFETCHT0 448(BX)
	PREFETCHT0 (DX)
	PREFETCHT0 64(DX)
	PREFETCHT0 (SI)

none:
	RET
