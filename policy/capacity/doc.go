// Package capacity says what a memory node will need: cores, memory by tier, storage, IOPS, network and money, from six numbers
// about the load.
//
// It is arithmetic on values: no I/O and no clock. Every number in its formulas is a [Constant] of a [Model], with its unit and its
// source. [Guide] is the model of the scaling guide, faults included; [Corrected] is that of the node as it is; [Differences]
// tells them apart, constant by constant, with the reasons. [Measured] puts what a running node shows in place of both, and [Model.With]
// what somebody knows better.
//
// Impossible input is refused whole, all faults at once: [ErrImpossible]. Absent is not zero: what is nil or was not given is left out.
//
// Reading the source: workload.go and profile.go are the input; constant.go, model.go, guide.go, corrected.go and measured.go the
// constants; estimate.go, memory.go, cores.go and storage.go the formulas; price.go and phase.go money and the guide's phases; components.go, vectors.go,
// postgres.go, redis.go and system.go the second guide: Qdrant, PostgreSQL and Redis.
package capacity
