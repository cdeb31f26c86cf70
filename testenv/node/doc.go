// Package node runs a memory node the way its users do: the real binary as a process of its own, reached over HTTP with the
// commands that people type.
//
// A [Node] belongs to one test and ends with it, however the test ends. Its log stays among the artifacts. The binary is
// ENGRAMD_BIN, or else built for the test.
package node
