// Package hostlock lets only one agent on a host act on a target, whoever runs it and wherever its
// data_dir is.
//
// A lock is a flock on one file for each target, named by the driver's key for it (see
// [github.com/engramd/engramd/actuators.Keyed]), in a directory that root and users find by the same
// rule (see [Find]). An agent holds it for as long as it runs; when it dies, however it dies, the
// kernel lets go. Beside the lock lies the record of the holder's open action, so that the next
// holder, with a journal of its own that never saw the action, can finish or undo it.
//
// The directory can be written by every user, so nothing in it is believed without asking who wrote
// it: a record is a file of its own, readable only by its owner, and only root's and one's own are
// trusted. What is in the lock file (pid, data_dir) is shown to people and used for nothing else.
// Any user can hold a lock and so keep an agent from a target; the error names the process.
//
// A [Lock] belongs to the agent that took it until [Lock.Close]. Its methods may be called
// concurrently.
package hostlock
