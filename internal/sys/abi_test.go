package sys

import (
	"go/ast"
	"go/parser"
	"go/token"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"unsafe"
)

func TestABISizes(t *testing.T) {
	for _, tt := range []struct {
		v    any
		want uintptr
	}{
		{SQE{}, 64},
		{CQE{}, 16},
		{SQRingOffsets{}, 40},
		{CQRingOffsets{}, 40},
		{Params{}, 120},
		{GetEventsArg{}, 24},
		{Timespec{}, 16},
		{Probe{}, 16},
		{ProbeOp{}, 8},
		{FilesUpdate{}, 16},
		{RsrcRegister{}, 32},
		{RsrcUpdate{}, 16},
		{RsrcUpdate2{}, 32},
		{BufReg{}, 40},
		{Buf{}, 16},
		{BufRing{}, 16},
		{BufStatus{}, 40},
		{Restriction{}, 16},
		{SyncCancelReg{}, 64},
		{FileIndexRange{}, 16},
		{RecvmsgOut{}, 16},
		{RegWait{}, 64},
		{MemRegionDesc{}, 64},
		{MemRegionReg{}, 32},
		{NapiReg{}, 16},
		{ClockRegister{}, 16},
		{CloneBuffers{}, 32},
		{AttrPI{}, 32},
		{QueryHeader{}, 40},
		{QueryOpcode{}, 48},
	} {
		typ := reflect.TypeOf(tt.v)
		if got := typ.Size(); got != tt.want {
			t.Errorf("sizeof(%s) = %d, want %d", typ.Name(), got, tt.want)
		}
		// The kernel's structs have no implicit padding, so neither may ours.
		end := uintptr(0)
		for i := range typ.NumField() {
			f := typ.Field(i)
			if f.Offset != end {
				t.Errorf("%s.%s is at %d, %d bytes of padding before it", typ.Name(), f.Name, f.Offset, f.Offset-end)
			}
			end = f.Offset + f.Type.Size()
		}
		if end != typ.Size() {
			t.Errorf("%s ends with %d bytes of padding", typ.Name(), typ.Size()-end)
		}
	}
}

func TestABIOffsets(t *testing.T) {
	var (
		sqe     SQE
		cqe     CQE
		sqoff   SQRingOffsets
		cqoff   CQRingOffsets
		params  Params
		arg     GetEventsArg
		ts      Timespec
		probe   Probe
		probeOp ProbeOp
		files   FilesUpdate
		rsrc    RsrcRegister
		upd     RsrcUpdate
		upd2    RsrcUpdate2
		bufReg  BufReg
		buf     Buf
		bufRing BufRing
		bufStat BufStatus
		restr   Restriction
		cancel  SyncCancelReg
		rng     FileIndexRange
		out     RecvmsgOut
		wait    RegWait
		desc    MemRegionDesc
		region  MemRegionReg
		napi    NapiReg
		clone   CloneBuffers
		pi      AttrPI
		hdr     QueryHeader
		query   QueryOpcode
	)
	for _, tt := range []struct {
		field     string
		got, want uintptr
	}{
		{"SQE.Opcode", unsafe.Offsetof(sqe.Opcode), 0},
		{"SQE.Flags", unsafe.Offsetof(sqe.Flags), 1},
		{"SQE.Ioprio", unsafe.Offsetof(sqe.Ioprio), 2},
		{"SQE.Fd", unsafe.Offsetof(sqe.Fd), 4},
		{"SQE.Off", unsafe.Offsetof(sqe.Off), 8},
		{"SQE.Addr", unsafe.Offsetof(sqe.Addr), 16},
		{"SQE.Len", unsafe.Offsetof(sqe.Len), 24},
		{"SQE.OpFlags", unsafe.Offsetof(sqe.OpFlags), 28},
		{"SQE.UserData", unsafe.Offsetof(sqe.UserData), 32},
		{"SQE.BufIndex", unsafe.Offsetof(sqe.BufIndex), 40},
		{"SQE.Personality", unsafe.Offsetof(sqe.Personality), 42},
		{"SQE.SpliceFdIn", unsafe.Offsetof(sqe.SpliceFdIn), 44},
		{"SQE.Addr3", unsafe.Offsetof(sqe.Addr3), 48},
		{"SQE.Pad2", unsafe.Offsetof(sqe.Pad2), 56},

		{"CQE.UserData", unsafe.Offsetof(cqe.UserData), 0},
		{"CQE.Res", unsafe.Offsetof(cqe.Res), 8},
		{"CQE.Flags", unsafe.Offsetof(cqe.Flags), 12},

		{"SQRingOffsets.Head", unsafe.Offsetof(sqoff.Head), 0},
		{"SQRingOffsets.Tail", unsafe.Offsetof(sqoff.Tail), 4},
		{"SQRingOffsets.RingMask", unsafe.Offsetof(sqoff.RingMask), 8},
		{"SQRingOffsets.RingEntries", unsafe.Offsetof(sqoff.RingEntries), 12},
		{"SQRingOffsets.Flags", unsafe.Offsetof(sqoff.Flags), 16},
		{"SQRingOffsets.Dropped", unsafe.Offsetof(sqoff.Dropped), 20},
		{"SQRingOffsets.Array", unsafe.Offsetof(sqoff.Array), 24},
		{"SQRingOffsets.UserAddr", unsafe.Offsetof(sqoff.UserAddr), 32},

		{"CQRingOffsets.Head", unsafe.Offsetof(cqoff.Head), 0},
		{"CQRingOffsets.Tail", unsafe.Offsetof(cqoff.Tail), 4},
		{"CQRingOffsets.RingMask", unsafe.Offsetof(cqoff.RingMask), 8},
		{"CQRingOffsets.RingEntries", unsafe.Offsetof(cqoff.RingEntries), 12},
		{"CQRingOffsets.Overflow", unsafe.Offsetof(cqoff.Overflow), 16},
		{"CQRingOffsets.CQEs", unsafe.Offsetof(cqoff.CQEs), 20},
		{"CQRingOffsets.Flags", unsafe.Offsetof(cqoff.Flags), 24},
		{"CQRingOffsets.UserAddr", unsafe.Offsetof(cqoff.UserAddr), 32},

		{"Params.SQEntries", unsafe.Offsetof(params.SQEntries), 0},
		{"Params.CQEntries", unsafe.Offsetof(params.CQEntries), 4},
		{"Params.Flags", unsafe.Offsetof(params.Flags), 8},
		{"Params.SQThreadCPU", unsafe.Offsetof(params.SQThreadCPU), 12},
		{"Params.SQThreadIdle", unsafe.Offsetof(params.SQThreadIdle), 16},
		{"Params.Features", unsafe.Offsetof(params.Features), 20},
		{"Params.WQFd", unsafe.Offsetof(params.WQFd), 24},
		{"Params.SQOff", unsafe.Offsetof(params.SQOff), 40},
		{"Params.CQOff", unsafe.Offsetof(params.CQOff), 80},

		{"GetEventsArg.Sigmask", unsafe.Offsetof(arg.Sigmask), 0},
		{"GetEventsArg.SigmaskSize", unsafe.Offsetof(arg.SigmaskSize), 8},
		{"GetEventsArg.MinWaitUsec", unsafe.Offsetof(arg.MinWaitUsec), 12},
		{"GetEventsArg.Ts", unsafe.Offsetof(arg.Ts), 16},

		{"Timespec.Sec", unsafe.Offsetof(ts.Sec), 0},
		{"Timespec.Nsec", unsafe.Offsetof(ts.Nsec), 8},

		{"Probe.LastOp", unsafe.Offsetof(probe.LastOp), 0},
		{"Probe.OpsLen", unsafe.Offsetof(probe.OpsLen), 1},
		{"ProbeOp.Op", unsafe.Offsetof(probeOp.Op), 0},
		{"ProbeOp.Flags", unsafe.Offsetof(probeOp.Flags), 2},

		{"FilesUpdate.Offset", unsafe.Offsetof(files.Offset), 0},
		{"FilesUpdate.Fds", unsafe.Offsetof(files.Fds), 8},
		{"RsrcRegister.Nr", unsafe.Offsetof(rsrc.Nr), 0},
		{"RsrcRegister.Flags", unsafe.Offsetof(rsrc.Flags), 4},
		{"RsrcRegister.Data", unsafe.Offsetof(rsrc.Data), 16},
		{"RsrcRegister.Tags", unsafe.Offsetof(rsrc.Tags), 24},
		{"RsrcUpdate.Offset", unsafe.Offsetof(upd.Offset), 0},
		{"RsrcUpdate.Data", unsafe.Offsetof(upd.Data), 8},
		{"RsrcUpdate2.Offset", unsafe.Offsetof(upd2.Offset), 0},
		{"RsrcUpdate2.Data", unsafe.Offsetof(upd2.Data), 8},
		{"RsrcUpdate2.Tags", unsafe.Offsetof(upd2.Tags), 16},
		{"RsrcUpdate2.Nr", unsafe.Offsetof(upd2.Nr), 24},

		{"BufReg.RingAddr", unsafe.Offsetof(bufReg.RingAddr), 0},
		{"BufReg.RingEntries", unsafe.Offsetof(bufReg.RingEntries), 8},
		{"BufReg.Bgid", unsafe.Offsetof(bufReg.Bgid), 12},
		{"BufReg.Flags", unsafe.Offsetof(bufReg.Flags), 14},
		{"Buf.Addr", unsafe.Offsetof(buf.Addr), 0},
		{"Buf.Len", unsafe.Offsetof(buf.Len), 8},
		{"Buf.Bid", unsafe.Offsetof(buf.Bid), 12},
		{"Buf.Resv", unsafe.Offsetof(buf.Resv), 14},
		{"BufRing.Resv3", unsafe.Offsetof(bufRing.Resv3), unsafe.Offsetof(buf.Bid)},
		{"BufRing.Tail", unsafe.Offsetof(bufRing.Tail), unsafe.Offsetof(buf.Resv)},
		{"BufStatus.BufGroup", unsafe.Offsetof(bufStat.BufGroup), 0},
		{"BufStatus.Head", unsafe.Offsetof(bufStat.Head), 4},

		{"Restriction.Opcode", unsafe.Offsetof(restr.Opcode), 0},
		{"Restriction.Arg", unsafe.Offsetof(restr.Arg), 2},
		{"SyncCancelReg.Addr", unsafe.Offsetof(cancel.Addr), 0},
		{"SyncCancelReg.Fd", unsafe.Offsetof(cancel.Fd), 8},
		{"SyncCancelReg.Flags", unsafe.Offsetof(cancel.Flags), 12},
		{"SyncCancelReg.Timeout", unsafe.Offsetof(cancel.Timeout), 16},
		{"SyncCancelReg.Opcode", unsafe.Offsetof(cancel.Opcode), 32},
		{"FileIndexRange.Off", unsafe.Offsetof(rng.Off), 0},
		{"FileIndexRange.Len", unsafe.Offsetof(rng.Len), 4},
		{"RecvmsgOut.Namelen", unsafe.Offsetof(out.Namelen), 0},
		{"RecvmsgOut.Controllen", unsafe.Offsetof(out.Controllen), 4},
		{"RecvmsgOut.Payloadlen", unsafe.Offsetof(out.Payloadlen), 8},
		{"RecvmsgOut.Flags", unsafe.Offsetof(out.Flags), 12},

		{"RegWait.Ts", unsafe.Offsetof(wait.Ts), 0},
		{"RegWait.MinWaitUsec", unsafe.Offsetof(wait.MinWaitUsec), 16},
		{"RegWait.Flags", unsafe.Offsetof(wait.Flags), 20},
		{"RegWait.Sigmask", unsafe.Offsetof(wait.Sigmask), 24},
		{"RegWait.SigmaskSize", unsafe.Offsetof(wait.SigmaskSize), 32},
		{"MemRegionDesc.UserAddr", unsafe.Offsetof(desc.UserAddr), 0},
		{"MemRegionDesc.Size", unsafe.Offsetof(desc.Size), 8},
		{"MemRegionDesc.Flags", unsafe.Offsetof(desc.Flags), 16},
		{"MemRegionDesc.ID", unsafe.Offsetof(desc.ID), 20},
		{"MemRegionDesc.MmapOffset", unsafe.Offsetof(desc.MmapOffset), 24},
		{"MemRegionReg.RegionUptr", unsafe.Offsetof(region.RegionUptr), 0},
		{"MemRegionReg.Flags", unsafe.Offsetof(region.Flags), 8},
		{"NapiReg.BusyPollTo", unsafe.Offsetof(napi.BusyPollTo), 0},
		{"NapiReg.PreferBusyPoll", unsafe.Offsetof(napi.PreferBusyPoll), 4},
		{"NapiReg.Opcode", unsafe.Offsetof(napi.Opcode), 5},
		{"NapiReg.OpParam", unsafe.Offsetof(napi.OpParam), 8},
		{"CloneBuffers.SrcFd", unsafe.Offsetof(clone.SrcFd), 0},
		{"CloneBuffers.Flags", unsafe.Offsetof(clone.Flags), 4},
		{"CloneBuffers.SrcOff", unsafe.Offsetof(clone.SrcOff), 8},
		{"CloneBuffers.DstOff", unsafe.Offsetof(clone.DstOff), 12},
		{"CloneBuffers.Nr", unsafe.Offsetof(clone.Nr), 16},
		{"AttrPI.Flags", unsafe.Offsetof(pi.Flags), 0},
		{"AttrPI.AppTag", unsafe.Offsetof(pi.AppTag), 2},
		{"AttrPI.Len", unsafe.Offsetof(pi.Len), 4},
		{"AttrPI.Addr", unsafe.Offsetof(pi.Addr), 8},
		{"AttrPI.Seed", unsafe.Offsetof(pi.Seed), 16},

		{"QueryHeader.NextEntry", unsafe.Offsetof(hdr.NextEntry), 0},
		{"QueryHeader.QueryData", unsafe.Offsetof(hdr.QueryData), 8},
		{"QueryHeader.QueryOp", unsafe.Offsetof(hdr.QueryOp), 16},
		{"QueryHeader.Size", unsafe.Offsetof(hdr.Size), 20},
		{"QueryHeader.Result", unsafe.Offsetof(hdr.Result), 24},
		{"QueryOpcode.NrRequestOpcodes", unsafe.Offsetof(query.NrRequestOpcodes), 0},
		{"QueryOpcode.NrRegisterOpcodes", unsafe.Offsetof(query.NrRegisterOpcodes), 4},
		{"QueryOpcode.FeatureFlags", unsafe.Offsetof(query.FeatureFlags), 8},
		{"QueryOpcode.RingSetupFlags", unsafe.Offsetof(query.RingSetupFlags), 16},
		{"QueryOpcode.EnterFlags", unsafe.Offsetof(query.EnterFlags), 24},
		{"QueryOpcode.SQEFlags", unsafe.Offsetof(query.SQEFlags), 32},
		{"QueryOpcode.NrQueryOpcodes", unsafe.Offsetof(query.NrQueryOpcodes), 40},
	} {
		if tt.got != tt.want {
			t.Errorf("offset of %s = %d, want %d", tt.field, tt.got, tt.want)
		}
	}
}

// What a 6.18 kernel answers to RegisterQuery.
func TestABIMasks(t *testing.T) {
	if OpLast != 63 || RegisterLast != 36 {
		t.Errorf("OpLast, RegisterLast = %d, %d; want 63, 36", OpLast, RegisterLast)
	}
	masks := map[string]uint64{}
	for _, c := range abiConstants(t) {
		for _, prefix := range []string{"Setup", "Feat", "Enter", "SQE"} {
			if strings.HasPrefix(c.name, prefix) {
				if masks[prefix]&c.value != 0 {
					t.Errorf("%s shares a bit with another %s flag", c.name, prefix)
				}
				masks[prefix] |= c.value
			}
		}
	}
	for prefix, want := range map[string]uint64{"Setup": 0x7ffff, "Feat": 0x3ffff, "Enter": 0xff, "SQE": 0x7f} {
		if masks[prefix] != want {
			t.Errorf("all %s flags = %#x, want %#x", prefix, masks[prefix], want)
		}
	}
}

func TestOpcodeTable(t *testing.T) {
	seen := map[string]uint8{}
	for op := range OpLast {
		name, since := OpcodeName(op), OpcodeSince(op)
		if !regexp.MustCompile(`^[A-Z][A-Z0-9_]*[A-Z0-9]$`).MatchString(name) {
			t.Errorf("OpcodeName(%d) = %q", op, name)
		}
		if prev, dup := seen[name]; dup {
			t.Errorf("OpcodeName(%d) = OpcodeName(%d) = %q", op, prev, name)
		}
		seen[name] = op
		if !inRange(since) {
			t.Errorf("OpcodeSince(%d) = %q", op, since)
		}
		// The kernel numbers opcodes in the order of their arrival.
		if op > 0 && slices.Compare(version(since), version(OpcodeSince(op-1))) < 0 {
			t.Errorf("OpcodeSince(%d) = %s is older than that of opcode %d", op, since, op-1)
		}
	}
	for op, want := range map[uint8]string{OpNop: "NOP", OpReadMultishot: "READ_MULTISHOT", OpPipe: "PIPE",
		OpLast: "OP_63", 255: "OP_255"} {
		if got := OpcodeName(op); got != want {
			t.Errorf("OpcodeName(%d) = %q, want %q", op, got, want)
		}
	}
	for op, want := range map[uint8]string{OpNop: "5.1", OpReadMultishot: "6.7", OpPipe: "6.16", OpLast: "", 255: ""} {
		if got := OpcodeSince(op); got != want {
			t.Errorf("OpcodeSince(%d) = %q, want %q", op, got, want)
		}
	}
}

// Every constant says since when it exists, and an opcode says the same as
// the table.
func TestConstantVersions(t *testing.T) {
	ops := 0
	for _, c := range abiConstants(t) {
		if !inRange(c.since) {
			t.Errorf("%s: %q is not a kernel version from 5.1 to 6.18", c.name, c.since)
		}
		if !c.opcode || c.name == "OpLast" {
			continue
		}
		ops++
		op := uint8(c.value)
		if got := OpcodeSince(op); got != c.since {
			t.Errorf("%s: comment says %s, table %s", c.name, c.since, got)
		}
		squeezed := "OP" + strings.ReplaceAll(OpcodeName(op), "_", "")
		if !strings.EqualFold(squeezed, c.name) {
			t.Errorf("opcode %d is constant %s, but its name is %s", op, c.name, OpcodeName(op))
		}
	}
	if ops != int(OpLast) {
		t.Errorf("%d opcode constants, want %d", ops, OpLast)
	}
}

type abiConstant struct {
	name   string
	value  uint64 // when it is a plain number or 1 << number
	opcode bool   // of type Opcode
	since  string // first word of the comment, without punctuation
}

// abiConstants reads the constants out of abi.go.
func abiConstants(t *testing.T) []abiConstant {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), "abi.go", nil, parser.ParseComments)
	if err != nil {
		t.Fatal(err)
	}
	var all []abiConstant
	for _, decl := range file.Decls {
		gen, ok := decl.(*ast.GenDecl)
		if !ok || gen.Tok != token.CONST {
			continue
		}
		for _, spec := range gen.Specs {
			v := spec.(*ast.ValueSpec)
			if v.Names[0].Name == "_" { // a size check
				continue
			}
			c := abiConstant{name: v.Names[0].Name, value: number(v.Values[0])}
			if typ, ok := v.Type.(*ast.Ident); ok {
				c.opcode = typ.Name == "Opcode"
			}
			if words := strings.Fields(v.Comment.Text()); len(words) > 0 {
				c.since = strings.TrimRight(words[0], ":,")
			}
			all = append(all, c)
		}
	}
	if len(all) < 200 {
		t.Fatalf("found only %d constants in abi.go", len(all))
	}
	return all
}

// number evaluates n and n << m, and returns 0 for anything else.
func number(e ast.Expr) uint64 {
	switch e := e.(type) {
	case *ast.BasicLit:
		n, _ := strconv.ParseUint(e.Value, 0, 64)
		return n
	case *ast.BinaryExpr:
		if e.Op == token.SHL {
			return number(e.X) << number(e.Y)
		}
	}
	return 0
}

func inRange(since string) bool {
	return regexp.MustCompile(`^[56]\.\d+$`).MatchString(since) &&
		slices.Compare(version(since), []int{5, 1}) >= 0 &&
		slices.Compare(version(since), []int{6, 18}) <= 0
}

func version(s string) []int {
	var v []int
	for part := range strings.SplitSeq(s, ".") {
		n, err := strconv.Atoi(part)
		if err != nil {
			return nil
		}
		v = append(v, n)
	}
	return v
}
