package sys

// What one transfer moves at most.
const (
	MaxTransfer = 1 << 30 // bytes
	MaxIovecs   = 1024    // buffers (IOV_MAX)
)
