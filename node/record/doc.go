// Package record holds the nouns of the memory node and their bytes: what a [Memory], an [Edge] and an
// [Op] are, what is allowed in them, and how they are written.
//
// A memory has an id that people choose or that [NewID] makes, and inside a space an [Ord]: a small
// number by which the base, the graph and the vectors address it. An id that is deleted and remembered
// again gets another ordinal, so that nothing that belonged to the old one can stick to the new one.
//
// The bytes of one memory are a [Value]: a fixed header, the id, and a payload that is plain or
// compressed. The header stays readable without decompressing, so that a restart rebuilds the id index
// at the speed of reading. A CRC32C covers the value, its key (the ordinal) and its version: a value
// that is stored under a wrong key is found like one with a flipped bit.
//
// An Op is one change as it stands in the log. All ops are absolute ("the weight is now w"), never
// relative, so that replaying a suffix of the log over a state that already contains part of it ends in
// the same state.
//
// The package does no I/O and never reads the clock, except in NewID. Everything it returns may share
// memory with what it was given where its comment says so; nothing is retained.
package record
