// Package telemetry brings samples in and answers what may be concluded from them.
//
// [New] opens the store (Prometheus' own tsdb under the data directory) and starts nothing.
// [Telemetry.Run] scrapes, reads the host and every target's cgroup at each interval, and blocks
// until everything it started has ended. [Telemetry.Close] may be called at any time, any number of
// times; after it reads are unknown and appends are dropped.
//
// The way of one sample: a scrape, the host, a cgroup, or the agent's own registry -> the store ->
// [Telemetry.Read], which says the value or, in a sentence, why it cannot be known. Absent is never
// zero, and a sample older than three intervals is no evidence. What an action needs to know of a
// target's use (the Meter) never passes through PromQL: a ring in memory holds the collectors' last
// readings.
//
// Nothing here is fatal to the agent. A scrape that fails, a target that is gone, a damaged store, a
// full disk and a clock that jumps each show as a metric and one log line a change of state, and as
// unknown signals.
package telemetry
