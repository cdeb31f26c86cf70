// Package metrics measures the node and tells it: as Prometheus metrics to who asks for them, else as JSON for people and jq.
//
// Everything it tells was measured. What could not be is absent, never zero: a missing series in Prometheus, null in JSON, and
// a line under "unknown" that says why.
//
// # Where the numbers come from
//
//	Operations   counts and times every operation itself, at every call
//	State        what the other rooms tell about themselves, asked for at every reading
//	machine      this package's own look at the process, the host, the device and the files, at every reading
//
// Rates are over a sliding time: [Metrics.Run] keeps a moment every 5 s, and a reading compares now with the moment a
// minute (operations, errors, latency) or 15 s (CPU, device) ago. So all who ask at one time get the same answer, however often
// others ask.
//
// Durations are counted in buckets whose bounds are those of Prometheus' native histograms of schema 3 (8 to a doubling) and of
// the classic ones together, so that one count serves both exactly. A quantile is interpolated within a bucket of the native
// kind: it is off by at most 9 %.
//
// # Names
//
// engram_* are the guide's where it has one. Two of those offend against Prometheus' customs: engram_p99_latency_ms (not in base units:
// engram_operation_duration_seconds is the same in them) and engram_snapshot_count (a suffix of histograms; it is
// exposed without a type).
//
// # Ownership and lifetime
//
// New starts nothing; Run keeps moments until its context ends. Everything else may be called from any goroutine,
// at any time.
package metrics
