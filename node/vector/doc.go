// Package vector keeps the vectors of one space in one file, mapped, aligned, by ordinal, and finds the nearest
// ones by looking at all of them.
//
// # What is where
//
// A [View] is a [store.View]. Resident, 16 bytes an ordinal, is which write's vector each memory has
// ([record.Value.VectorVersion]). A vector that is not yet in the file is pending, on the heap; Checkpoint writes what is pending, syncs, and lets go of
// it, before the base commits the LSN. So the file may be ahead of the base after a crash, never behind, and the log
// brings what is missing: it still has every write that the base lacks.
//
// The file is two copies of a header, then a slot an ordinal: version, CRC32C, ordinal, vector (float32, little endian), 32-byte
// aligned. It grows by whole chunks, sparse. Slots are written with WriteAt, never through the map: a full disk is an error
// (ENOSPC), not a SIGBUS. A slot is written only while its ordinal is pending, and a pending vector is never read from the
// file: what readers see never tears.
//
// # Damage
//
// A slot is checked against its CRC, its ordinal and the version that the record asks for: by the first search after
// the start, by every [View.Get], by every search for the hits that it is about to return, and by
// [View.Scrub]. One that is flipped, stale or torn is isolated: told by [View.Faults] and [View.Stats], an error to who asks for it, invisible to
// searches; the next write of that vector heals it. Faults of the map (a truncated file, a disk that cannot be read) are such damage too. A file
// whose header cannot be read in either copy is set aside.
//
// # Ownership
//
// New opens the file and starts nothing; the store feeds, checkpoints and closes the view. Readers take no lock while they touch the map, so
// that a slow disk never holds up Apply; they look at the rows again afterwards. op.Vector of a Put belongs to the view from Apply on.
package vector
