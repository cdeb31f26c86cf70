// Package spread lets activation spread over a graph from seeds, and returns what it reaches, strongest first.
//
// # The rule
//
// A spread goes in hops, all of one hop at once. In each hop every memory whose activation is at least the
// threshold sends what it has not sent yet, once: to each of its first FanOut edges (of [graph.Snapshot.Edges], dead ends
// not counted) it gives
//
//	activation x decay x weight
//
// negative where the edge is inhibitory. After the hop each memory adds what it was given, and is clamped to [0, 1].
// Nothing that a memory is given in a hop is seen in that hop. So contributions that are small each count
// together, the order of edges and memories does not matter, and around a cycle goes only what is new: a
// memory never sends more than 1 in all.
//
// The path of a memory leads to whoever gave it most in the hop that first made it active, the lowest
// ordinal among equals, and so on back to a seed. It has no cycle.
//
// # The same bytes
//
// All is integer arithmetic: activations are multiples of 1/2^30, and
//
//	sent  = activation * round(decay * 2^30) / 2^30
//	given = sent * weight / 20000
//
// each rounded towards zero. Integer sums do not depend on their order, and ordinals stay what they are for as long as a memory
// lives: the same graph gives the same bytes after a merge, a restart, a restore, and on any worker.
//
// # Ownership and lifetime
//
// A [Worker] does one spread at a time in the goroutine that calls it, and keeps its room for the next one. It
// reads a [graph.Snapshot] and writes nothing. What it returns belongs to the caller.
package spread
