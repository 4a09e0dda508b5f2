// Package inspect serves what an aio.IO is doing over HTTP, for people and programs: its loops,
// every operation in flight, the tasks of its schedulers of coroutines, and the counters.
//
//	http.Handle("/debug/weir/", inspect.Handler(io))
//
// Package inspect/register does that for aio.Default when it is imported. A request gets one of
// three forms:
//
//   - a page, if its Accept header asks for HTML. It loads nothing else and refreshes itself.
//   - text, otherwise, as for curl; or with ?format=text.
//   - JSON, a [Report], with ?format=json.
//
// Further parameters are limit, the most operations of each loop and tasks of each scheduler that
// are listed, and stacks=1, for the stacks of tasks: to get them stops the world for as long as a
// dump of all goroutines takes.
//
// # What it discloses
//
// Clients of the handler see numbers of descriptors, names of files, local and peer addresses,
// sizes of buffers, names and states of tasks, the kernel's version and, if they ask for them,
// stacks. They never see what buffers hold, and can change nothing. Serve it, like
// net/http/pprof, on an address that only operators reach. Characters that do not print are
// replaced in the page and in text, since names of files and tasks may come from elsewhere.
package inspect
