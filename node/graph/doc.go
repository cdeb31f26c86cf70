// Package graph keeps the edges of one space in memory: which memory leads to which, how strongly, and who
// leads to it.
//
// # Layout
//
// Ordinals are cut into chunks of 4,096. A chunk holds, for its memories, a bit each (alive), their edges in one
// array of 6 bytes an edge (4 of target, 2 of weight and kind) and, for the other direction, their
// sources in one array of 4 bytes each. So an edge costs 10 bytes and a memory 8, without a pointer for the garbage
// collector to follow. The edges of a source are ranked: weight descending whatever their kind, then target
// ascending. Reverse entries carry no weight: who needs it looks it up forward, and strengthening an edge, the
// most frequent change, leaves the reverse side alone.
//
// What changed since is the delta of the chunk: a source that changed has its whole new row there, ranked like
// those of the base, so that a reader asks once a source and never once an edge; a new edge adds its source to a log
// of the target's chunk. An edge that is gone leaves its reverse entry behind: reverse entries are hints, which
// readers hold against the forward side.
//
// # Snapshots and merging
//
// Everything is immutable once it is published. A batch of ops copies the chunks that it touches, and ends with one
// atomic store of a new [Snapshot]; readers load it, keep it as long as they like, and see whole batches only.
// Merging takes one chunk at a time, writes base and delta into a new base beside the readers and the writer, and
// publishes it under the writer's lock together with what the delta got meanwhile. It changes no answer. Its
// additional memory is that of one chunk, about 400 KiB at degree 10, not that of the graph.
//
// # Deletions
//
// A deleted memory loses its outgoing edges at once. Edges that lead to it stay where they are as dead ends, which
// readers skip: [Snapshot.Alive]. [Graph.Sweep] takes them away in the background, durably, since the store has
// them on disk as well: an Unlink each, through the log, and once those are applied a Free that gives the ordinal
// back. So no edge can ever meet the next memory that gets the ordinal, not even after a crash in between.
//
// # Ownership and lifetime
//
// A [Graph] is a store.View: the store loads it and then feeds it batches from one goroutine. [Graph.Run]
// merges and sweeps until its context ends or the graph is closed. It owns no files.
package graph
