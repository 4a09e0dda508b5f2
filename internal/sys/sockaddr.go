package sys

// Sockaddr is a socket address in the system's own encoding: struct sockaddr and its length.
type Sockaddr struct {
	Len  uint32 // bytes of Data in use; before a call that fills it in, the room there is
	Data [128]byte
}
