package epoll

// Config says how to set a backend up. The zero value is what package runtime uses.
type Config struct {
	// Workers bounds the goroutines that do what cannot be polled; 0 means 64. Further operations
	// of that kind queue.
	Workers int

	coarse bool // as if there were no epoll_pwait2(2)
}

const defaultWorkers = 64
