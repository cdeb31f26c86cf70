// Package node is the memory node: memories linked into a graph, in hot, warm and cold tiers, durable
// when acknowledged, recalled by spreading activation. It is a library; package node/api serves it over HTTP.
//
// # Reading the source
//
// One room per noun. An arrow means "imports"; nothing imports upwards, and node imports nothing of
// engramd outside node/*.
//
//	record     Memory, Edge, Weight, Value, Op and their bytes; limits; ids. Imports nothing.
//	disk       the file layer: FS and File, the real one; disk/powercut simulates cuts.
//	wal        the log: group commit, segments, recovery.           -> disk
//	pages      reads a bbolt file page by page without trusting it. -> (nothing)
//	store      spaces: index, memtable, base, checkpoint, views.    -> record, disk, wal, pages
//	cgroup     the control groups of this process. Imports nothing.
//	pressure   anonymous + kernel memory against min(cgroup, GOMEMLIMIT). -> cgroup
//	tier       scores, histogram, tier bytes, hot copies, cold compression, migration. -> record, store
//	graph      adjacency in compact arrays, base + delta, merge.    -> record, store
//	spread     spreading activation over a graph.                   -> record, graph
//	vector     the vector file of a space and its exact scan.       -> record, disk, store
//	consolidate  expired and dead things, duplicates, near ones.    -> record, store, tier, graph, vector
//	snapshot   consistent copies, retention, restore, archive.      -> record, disk, store, vector
//	threads    cores, pinning, NUMA.
//	metrics    what /metrics tells.                                 -> all above
//	node       this package: Options, Open, Run, Close, the Go API. -> all above
//	api        HTTP, OpenAPI, problem documents.                    -> node, record, metrics
//	api/view   what the API answers, as text for people.            -> api
//	transfer   files into a node and out of one, in bulk.           -> api
//	load       bench and demo.                                      -> node, api
//
// # How the rooms meet
//
// Inside a space a memory is a [record.Ord], a number of 4 bytes in memory and 8 in keys. People's ids are
// resolved at the door ([store.Space.Lookup], [store.Space.ID]).
//
// Every change is a [store.Change]; a group of them goes to [store.Space.Apply], which returns when it is durable
// and visible, with a [store.Result] each. There is no other way to change anything. Put, Delete,
// Link and Unlink are acknowledged to people; Touch and Strengthen are coalesced by recall and applied at least every
// second; Free gives an ordinal back after the graph dropped its edges. A change that replaces what it read (PATCH,
// consolidation) sets IfVersion, and reads again on [store.ErrVersion]. All ops of the log are absolute, so replaying some twice is
// harmless.
//
// A version is the LSN of the last put of a memory: it grows, two writes never share one, and accesses
// do not change it. [store.Space.Version] is authoritative; a copy (hot, vector, page) of another version is a miss.
//
// Resident state (graph, tiers, vectors) is a [store.View]: loaded from the base once, then fed the durable
// ops in the order of the log, replayed and new alike. A view with files of its own makes them durable in
// Checkpoint, before the base commits the LSN. Edges are in the base too (one value a source), so that the graph
// keeps nothing on disk. The graph ignores dead ends, drops them when it merges, and only then Frees the
// ordinal.
//
// A read asks the hot copies (tier), then [store.Space.Read]: memtable, then base. The bytes are a
// [record.Value]; its payload may be compressed, and the tier's codec decodes it. Migration between warm and cold goes through
// [store.Space.Recode], in key order, beside readers; it changes no version. What a view must remember across restarts (a
// dictionary, say) it keeps with [store.Space.SetMeta].
//
// Pressure is told by package pressure as a level (calm, high, critical) to whoever subscribed: tiers evict, this package
// refuses writes (507) when nothing is left to evict.
//
// # Files
//
//	DIR/lock               flock: one process
//	DIR/catalog.json       spaces: name, id, dimension, tombstones, aliases; replaced whole
//	DIR/maintenance.json   owner and end of maintenance mode
//	DIR/wal/N-SALT.wal     segments; the salt in the name is that of the batches inside
//	DIR/wal/quarantine/    what of the log could not be read
//	DIR/spaces/ID/base.db  bbolt: meta, records, edges, access, dead
//	DIR/spaces/ID/vectors  by ordinal
//	DIR/snapshots/NAME/    manifest.json, base.db, vectors: see package snapshot
//
// A space id is the timeline. A restore ([store.Store.Adopt]) makes a space with a new id from the files of a snapshot
// ([store.Space.CopyBase]) and swaps the name in the catalog: the log of the old timeline names the old id, and is ignored.
//
// # Ownership and lifetime
//
// [Open] reads everything and starts nothing; Run(ctx) runs all loops and joins them; Close is idempotent.
package node
