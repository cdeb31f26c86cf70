// Package diagnose says which cause holds a service back, from numbers that may each be absent.
//
// [Diagnose] takes numbers and returns a [Report]: of what the time goes to (spreading, consolidation, the
// API, snapshots) and of what it is short (a lock, CPU, memory, a disk, ...), each with the evidence for it
// and against it, what is missing to tell, and the guide's remedy. The rules are one table (rules.go): a
// measure, a bound, what it says about a cause, and who set the bound.
//
// Absent is not zero: what was not measured speaks neither for nor against anything, and a cause of which
// nothing was measured is unknown. NaN, infinities and negative numbers are absent. The order of the numbers
// does not matter: of several for one measure (parts of a target, sources) the worst counts. A number that
// speaks against a cause never makes it more likely.
//
// The package is pure: it asks nobody and reads no clock.
package diagnose
