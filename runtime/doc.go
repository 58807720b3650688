// Package coreruntime gives every CPU core one locked thread, one driver (io_uring, or epoll where that
// cannot be had) and one loop, and runs tasks on it. The folder is named runtime; a bare runtime. in
// percore's code is the standard library.
//
//	 any goroutine                       one core = one locked thread
//	┌────────────┐  Post   ┌──────────────────────────────────────────────────────┐
//	│ Start, Stop│────────▶│ mailbox ─┐                                           │
//	│ Task.Cancel│         │          ▼                                           │
//	└────────────┘         │  Wait ─▶ dispatch ─▶ mail ─▶ timers ─▶ tasks ─▶ flush ─▶ Wait
//	┌────────────┐         │           │ op slab: token ─▶ owner      │           │
//	│  Offload   │◀────────│           ▼                              ▼           │
//	│ (blocking) │────────▶│  Owner.Complete makes tasks ready   coroutines park  │
//	└────────────┘  result └──────────────────────────────────────────────────────┘
//
// Code in a task blocks only through percore: its calls park the task and the thread goes on. A lock or
// channel whose other side is a task of the same core stops that core for ever; the watchdog names such
// a core. Use Mutex and Chan of this package between tasks of one core, and Offload for code that
// blocks. runtime.LockOSThread inside a task is fatal for the process.
//
// Methods say who may call them: core (the loop or a task of that core), task, or any goroutine. Methods
// that take or return types of percore's internal packages are the floor that net, tls and h2 stand on.
package coreruntime
