// Package loop runs engramd the way its users do: as a process of its own with an agent.yaml, a data directory and a port,
// asked through its own commands and its API, and judged by what the kernel and the platform show.
//
// An [Agent] belongs to one test and ends with it, however the test ends. Its log, its agent.yaml and its events stay among
// the artifacts. What it answers is read into the types of this package and not into the product's: a key that the product
// renames is a failure here, as it is for everybody's scripts. The binary is ENGRAMD_BIN, or else built for the test.
package loop
