package backends

// Event is what a backend reports of one operation: a pointer-free copy of what the kernel said.
type Event struct {
	ID   ID
	Res  int32 // see Code; -errno on failure
	More bool  // the operation is still in flight and will report again; without it this Event is terminal
}
