// Package sizing brings the pure sizing of policy to files, servers and people: recordings are read and
// replayed, what a node shows replaces the constants of a capacity model, and results become pictures.
//
// Nothing here runs by itself or outlives a call.
package sizing
