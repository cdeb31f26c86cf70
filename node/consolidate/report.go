package consolidate

import "time"

// A Report says what one round did.
type Report struct {
	Began    time.Time
	Took     time.Duration
	Looked   int    // memories that were looked at
	Expired  int    // removed, because their time was over
	Dangling int    // redirects that were removed, because what they led to is gone
	Merged   int    // duplicates that redirect now to an older memory
	Relinked int    // edges that were moved away from redirects
	Freed    int    // places of deleted memories, given back with the dead edges that led to them
	Damaged  int    // memories that could not be read, and were left alone
	Compared int    // vectors that were compared to find near ones: all pairs in the course of many rounds
	Near     []Near // memories that are nearly the same, and were left alone
}

// A Near is two memories whose vectors are nearly the same. Only people can tell whether the memories are.
type Near struct {
	ID, Other  string  // the older one first
	Similarity float64 // the cosine of their vectors
}
