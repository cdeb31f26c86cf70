// Package wal is the log of the memory node: what it acknowledged is on the disk.
//
// # Group commit
//
// Callers queue groups with [Log.Append] and wait. A writer takes those that wait, lets each append its entries
// to one batch, writes the batch with one call and syncs it with one fdatasync, hands it to the [Applier], and answers.
// It adds no delay: while it syncs, the next batch gathers. A group is never split over batches.
//
// Two writers do this hand over hand, through three turns: placing, writing (with the sync), applying (with the answers). Each has one of them
// at a time, and batches stay in their order, so that one batch is placed, and the one before the last applied, while
// another is synced. Where a sync takes long all callers are waited for, because a batch of all is the most for a sync. Where it
// takes less than the work, each batch leaves half of the callers to the next one.
//
// # Batches
//
// A batch begins at a multiple of 512 bytes: 64 bytes of header (magic, salt of the segment, first LSN,
// number of entries, length, CRC32C), the entries, zeros up to the next 512. The CRC covers header and entries, so also
// the LSN range and the salt. A reader who lost the thread finds the next batch by looking at every 512 bytes: it
// trusts no length that no CRC vouches for.
//
// # Segments
//
// A segment is a file NUMBER-SALT.wal, zero-written to its whole size and synced together with its name before
// it is used: appending to it later needs no block and no change of a directory, and a full disk is met in the background. A
// released segment is renamed to a new number and a new salt: its old batches carry the old one and are
// noise from then on. There is no header that could contradict the name.
//
// # Recovery
//
// LSNs are contiguous. A batch that does not check out is torn if no valid batch of a higher LSN follows, or
// if the next one continues right after the last valid LSN (the node was started again meanwhile, and nobody had
// been answered for the torn one). Otherwise answered entries are lost: that is corruption, reported as [Hole] with the
// missing LSNs, and the bytes are kept in quarantine. Writing goes on in a new segment, never behind a torn batch.
//
// # Failures
//
// A failed sync (or a write that failed for another reason than a full disk) poisons the log: what the disk has is unknown, so that
// [ErrPoisoned] answers every append until the process is started again. It is never retried. No room
// for a segment gives [ErrFull] for as long as it lasts. A batch that was placed upon one that failed fails with it.
//
// # Ownership
//
// Open reads; [Log.Run] owns the writers and the preparation of segments; Close comes after Run. Batches handed to
// a replay function or an Applier must not be kept.
package wal
