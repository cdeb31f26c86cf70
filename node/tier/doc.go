// Package tier says where a memory is (hot, warm or cold), moves it, and reads it from there.
//
// # One definition
//
// The score of a memory is
//
//	log2(activation at its last access) + time of that access / half-life
//
// with a half-life of a day. Activation halves every half-life, so that the activation of any moment follows from the score,
// and the order of two memories changes only when one of them is accessed: nothing is ever decayed by a sweep. A
// histogram of scores a space tells at any moment how many memories have which activation and how many would be in which
// tier. A memory that was never accessed counts as accessed with activation 1 when it was created ([FirstAccess]).
//
// A resident byte a memory says where it is. It is a fact, not a wish:
//
//	hot   plain in the base, and eligible for a copy on the heap ([Copies]: ristretto; best effort)
//	warm  plain in the base, read through its map
//	cold  compressed in the base (zstd, a dictionary a space), read through its map
//
// # Moves
//
// The [Policy] wants at most a ratio of all memories hot, the best by score, and none whose activation is below a threshold; the
// same for warm. Ratios come first, and thresholds only take away: raising a threshold evicts more. Between hot and warm only
// the byte changes, at an access or a sweep. Between warm and cold the base is rewritten, in key order, in the background, at a
// bounded rate, in transactions beside which readers go on. A put makes a cold memory warm.
//
// # What is never served
//
// [store.Space.Version] is authoritative: a copy of another version is a miss. A migration changes no version, and its outcome
// counts only if the version is still the same.
//
// # Pressure
//
// At high pressure the worse half of what is hot becomes warm, again whenever the pressure has grown; nothing becomes hot. At
// critical pressure everything hot becomes warm, and the heap is returned to the system. When that did not help, [Tiers.Exhausted] says that there is
// nothing left to evict. While somebody else owns the settings (the agent), this package sweeps only at critical pressure, and when told to; a
// put or an access makes a memory hot whatever the ratio then, since who owns them looks after that, and only the bytes of copies are bounded.
//
// # Ownership
//
// [Tiers] is of the whole node; a [View] is of one space and is fed by the store. [New] starts the cache's own goroutines only; [Tiers.Run] runs
// sweeps and migrations and joins them. Close comes after Run, after the store is closed, and after all reads.
package tier
