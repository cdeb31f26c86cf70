// Package threads keeps work on its cores: it knows the machine's cores and memory nodes, runs jobs on a bounded number of workers,
// and binds workers and everything else to the cores that were set apart for them.
//
// # Workers
//
// A [Pool] does as many jobs at once as it has workers; further callers wait in one bounded queue, first come, first
// served. A worker has a value of its own (room that a job can use again), which only one job has at a time.
//
// Without cores a job runs in its caller's goroutine, and a worker is a permission: nothing is handed over. With
// cores every worker is a thread of its own, bound to one core, and the job is handed to it. Go moves goroutines
// between threads as it likes, so that only a goroutine which is locked to its thread can be kept to a core.
//
// A job that panics costs nothing but its own result: the caller gets a [PanicError], and the worker a new value.
//
// # The rest of the process
//
// Go's other threads cannot be told apart, so API work is kept to its cores by the mask of all threads that are no
// workers. New threads inherit it. Go would take the narrowed mask for a smaller machine and lower
// GOMAXPROCS, so [Threads] sets that itself while a mask is in force.
//
// # Memory
//
// A memory policy belongs to a thread and Go has several before main starts, so that [ApplyMemoryPolicy] sets it and
// starts the program again in the same process, once.
//
// # Ownership and lifetime
//
// A pool starts threads only when it is given cores, and [Pool.Close] joins them. [Threads] owns no pool: it is handed
// them; [Threads.Close] undoes what it did to the rest of the process. Everything may be called from any goroutine.
package threads
