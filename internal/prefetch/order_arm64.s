//go:build gc && !go1.27 && !weir_noprefetch && !weir_nolinkname

#include "go_asm.h"
#include "textflag.h"

// func enter(o *order, then, also, data Addr) (n uint32, time int64)
TEXT ·enter(SB), NOSPLIT, $0-48
	MOVD  o+0(FP), R0
	MOVD  then+8(FP), R1
	MOVD  also+16(FP), R2
	MOVD  data+24(FP), R6
	MOVD  $o+0(FP), R3
	MOVD  ZR, R5
	MOVWU order_left(R0), R4
	CBZ   R4, untimed
	SUBW  $1, R4
	MOVW  R4, order_left(R0)
	MOVD  order_time(R0), R5

untimed:
	MOVD  R5, time+40(FP)
	MOVWU order_n(R0), R4
	ADDW  $1, R4, R5
	MOVW  R5, order_n(R0)
	MOVW  R4, n+32(FP)
	AND   $(const_orderSize-1), R4
	MOVD  $place__size, R5
	MADD  R5, R0, R4, R0
	ADD   $order_places, R0
	MOVD  R3, (place_goroutine+Goroutine_stack)(R0)
	MOVD  g, (place_goroutine+Goroutine_record)(R0)
	MOVD  8(g), R3 // the record begins with where the stack begins and ends
	MOVD  R3, place_end(R0)
	MOVD  R1, place_then(R0)
	MOVD  R2, place_also(R0)
	MOVD  R6, place_data(R0)
	RET

// func next(o *order, n uint32) (fetched bool)
TEXT ·next(SB), NOSPLIT, $0-17
	MOVD  o+0(FP), R0
	MOVWU n+8(FP), R1
	MOVWU order_n(R0), R2
	SUBW  R1, R2
	SUBW  $const_crowd, R2
	CMPW  $(const_orderSize-const_crowd), R2
	CSET  LS, R3
	MOVB  R3, fetched+16(FP)
	BHI   none
	AND   $(const_orderSize-1), R1
	MOVD  $place__size, R2
	MADD  R2, R0, R1, R0
	ADD   $order_places, R0
	MOVD  (place_goroutine+Goroutine_stack)(R0), R1
	MOVD  place_end(R0), R6
	MOVD  (place_goroutine+Goroutine_record)(R0), R2
	MOVD  place_then(R0), R3
	MOVD  place_also(R0), R4
	MOVD  place_data(R0), R5

	// Without calls: their code would have to be fetched first.
	PRFM (R2), PLDL1KEEP
	PRFM 64(R2), PLDL1KEEP
	PRFM 128(R2), PLDL1KEEP
	PRFM 192(R2), PLDL1KEEP
	PRFM 384(R2), PLDL1KEEP
	PRFM (R3), PLDL1KEEP
	PRFM 64(R3), PLDL1KEEP
	PRFM (R4), PLDL1KEEP
	PRFM (R5), PLDL1KEEP
	SUB  $128, R1
	ADD  $(const_deepLines*64), R1, R2
	CMP  R2, R6
	CSEL HI, R2, R6, R6

stack:
	PRFM (R1), PLDL1KEEP
	ADD  $64, R1
	CMP  R6, R1
	BLO  stack

none:
	RET
