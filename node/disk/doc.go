// Package disk is the file layer under the node's durable parts: the few calls that they make, as an
// interface, so that a test can stand between them and the disk. [OS] is the real one; package
// disk/powercut simulates one that loses, at a cut, any subset of what was not synced.
//
// What a caller may rely on is what POSIX file systems keep: Sync makes the bytes of a file durable,
// SyncDir the names in a directory. Nothing else does, and neither is retried after it failed.
package disk
