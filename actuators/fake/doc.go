// Package fake is a platform in memory: a [Driver] with live and restart strategies, services whose
// use of CPU and memory follows a model, a meter and a querier that tell the truth about that model,
// and faults on demand. Whole actions run against it in virtual time (testing/synctest), with Go
// alone.
//
// A [Driver] holds services by name. Each has one container at a time, two while a restart is under
// way; [Driver.Check] says at any moment whether the promises of a restart hold. Everything is safe
// for concurrent use; nothing runs by itself.
package fake
