// Package snapshot keeps copies of spaces: takes them beside writers, lists and checks them, chooses which to keep, puts them back, and
// carries them to a bucket and from there.
//
// # What a snapshot is
//
// A directory with the base and the vectors of one space at one moment, and a manifest with the length and the SHA-256 of each.
// It is made in a directory of another name, synced, read again and compared, and only then renamed: a half-written one is
// never listed. One that goes is renamed first, too. What is half of either is swept by [Open].
//
//	DIR/20261122T030000Z-default/manifest.json   what it is; a CRC covers it
//	DIR/20261122T030000Z-default/base.db         the base; complete up to the manifest's LSN
//	DIR/20261122T030000Z-default/vectors         where the space has any
//	DIR/20261122T030000Z-default/told.json       what happened to it since: checked, archived
//	DIR/.20261122T030000Z-default.half           on its way in
//	DIR/.20261122T030000Z-default.gone           on its way out
//
// # Ownership
//
// A [Shelf] owns its directory. Its methods may be called from any goroutine; snapshots are taken one after the other. One that is being read
// (restored, archived, checked) cannot be deleted: [ErrInUse]. It starts nothing; [Schedule] runs while its Run runs.
package snapshot
