// Package process tells what runs inside a target: a program in Go, a Java virtual machine, or another,
// and whether that follows a change of its limits while it runs.
//
// [Detect] reads a few files of /proc, each up to a bound, and keeps nothing. What it may not read is
// unknown, never "other". A process that was replaced under its id while it was looked at is unknown,
// too. [Runtime.Still] says whether an earlier answer is about the process that runs now.
//
// The package imports nothing of ours: telemetry detects, the executor and the agent quote.
package process
