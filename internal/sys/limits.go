package sys

// The most that one transfer moves.
const (
	MaxTransfer = 1 << 30 // bytes
	MaxIovecs   = 1024    // buffers (IOV_MAX)
)
