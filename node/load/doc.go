// Package load measures a memory node: it makes memories, edges and vectors from a seed, puts a node under them, and holds what it
// measures against the bounds of docs/benchmarks.md.
//
// # What a number means
//
// Numbers of two machines, or of one machine on two days, say little about a program. So whatever can be compared is compared in the same
// run, in turns: a spread with a bare loop over the same arrays, durable writes with a bare loop that writes and syncs the same batches,
// a vector search with summing the same bytes. Such a row says in ratio_to what it is compared with.
//
// # Ownership and lifetime
//
// [Run] runs one bench after the other, each in a process of its own where [Options].Self says how to start one, so that the heap of
// one is no burden to the next. Everything is written below a directory of its own, which goes when Run returns. The memories and
// edges that several benches read are made once a size.
package load
