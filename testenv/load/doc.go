// Package load sends requests at a set rate, from outside, and remembers what became of each.
//
// It is an open loop: requests leave when they are due, whether or not earlier ones were answered, as independent clients
// would send them. A latency is counted from the moment a request was due, so that a server that stalls cannot hide the
// wait of those behind. Every request has a deadline; how many may be outstanding, how many are remembered and how long a
// run lasts are all bounded, and so no run is endless. Only loopback addresses are allowed.
//
// A Generator belongs to one Run. SetRate and Report are safe at any time, from any goroutine; a Report is a copy.
package load
