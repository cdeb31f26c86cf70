// Package store keeps the records of all spaces: the log ([wal.Log]) makes a write durable, a memtable a
// space holds what the base lacks, and one bbolt file a space is the base.
//
// # The way of a write
//
// A caller hands a group of [Change] to [Space.Apply] and waits. The log takes the groups that wait,
// in order; for each change the writer looks at what is there (index, and what this batch and the one before it, which may still be
// on its way to the disk, do), refuses
// it ([ErrExists], [ErrVersion], [ErrNotFound]) or gives it an LSN, an ordinal and a version; it writes and
// syncs the batch; then makes it visible in the index and the memtable, feeds the views, and lets the
// callers go. Nothing is visible before it is durable, so nobody can read what a crash takes back. A group
// is in one batch of the log: after a crash all of it is there or none.
//
// # The way of a read
//
// Index (id to ordinal), memtable, base. The version in the resident table is authoritative: bytes of
// another version, from wherever, are a miss and are read again.
//
// # Checkpoint
//
// The memtable is frozen at an LSN and written into the base in key order, at most 2,000 records a
// transaction; the last transaction carries the LSN. Views that have files of their own are synced first.
// A log segment goes when every space has what it holds.
//
// # Reading the base
//
// Reads share a snapshot, one read transaction that every commit replaces, and find keys in bbolt's map with
// package store/pages, which bounds every number that it reads. bbolt itself only writes: what a transaction will touch is
// inspected before.
//
// # Damage
//
// At open a space's base is read page by page before bbolt maps it, and again by [Space.Scrub]. Structural damage, whenever it is met,
// refuses that space ([DamageError]: the page, what is wrong and what to do) and no other; what its memtables hold is set apart
// in a file. A value whose checksum does not match is isolated: reading it is an error, a put heals it, and everything
// else serves ([Space.Faults]). Ordinals at which edges end are never given to another memory, also if whose they were is lost.
//
// # Full and broken disks
//
// A write that finds no room is ErrFull, is as if it had never been, and may be tried again; reads go on, and so does a store that is opened on
// a full disk. A sync that fails is never retried: what the disk has is unknown, and everything that writes is ErrReadOnly until
// a restart, which has the kernel read again what the disk has: its cache may show what a failed sync lost. So it is after a catalog whose name was not synced: a cut may leave the old one or the new one.
//
// # Killed
//
// What a process that was killed had written and not synced is in the kernel's cache, where the next one sees it and builds upon it. Open syncs what it
// will read before, files and names, or fails.
//
// # Compaction
//
// [Space.Compact] copies a snapshot into a new file, catches up with what changed meanwhile, syncs, renames it over the base and
// syncs the name, and only then lets anything be written into it.
//
// # Ownership
//
// Open reads everything and starts nothing. [Store.Run] runs the writer, the segments' preparation and the
// checkpoints, and joins them. Close is idempotent, and comes after Run. The writer is the only one that
// changes index, table and memtables; readers take a space's read lock for single look-ups only.
package store
