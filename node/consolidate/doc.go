// Package consolidate keeps a space in order: it removes what has expired, makes one memory of exact duplicates, takes away dead edges, and
// tells which memories are nearly the same.
//
// # Duplicates
//
// Two memories are exact duplicates if type, content and metadata are the same, and the vector too where both have one. The older one stays
// (by time of creation, then by id) and gets what only the other has: tags, vector, the longer life, the greater confidence, accesses, and
// edges, of which the stronger one counts where both have one. The newer one becomes a redirect: a memory that has nothing but the id of
// the older one. A memory without content is nobody's duplicate.
//
// # Crashes and concurrent writes
//
// That two memories become one is one group of changes: after a crash all of it has happened or nothing. The group holds only if both memories
// still have the versions that were compared; if not, they are compared again some day. Edges that are set on a redirect afterwards
// are moved by the next round, one by one: first the edge of the older memory is there, then that of the redirect goes. Nothing else that
// somebody wrote is ever taken away, so that a round may end anywhere and begin anew.
//
// # Work
//
// A round reads every memory once, in slices, and asks to pause after each; it needs 8 bytes a memory while it runs. It
// is left out where nothing has changed and nothing expired since the last one ([View]).
//
// # Ownership and lifetime
//
// A View is fed by the store and starts nothing. A round ([Run]) runs in the goroutine that calls it; one at a time a space.
package consolidate
