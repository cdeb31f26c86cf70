// Package demo runs `engramd demo` of the built binary as a person would: in a pipe and on a terminal, to its end and left
// in the middle of each phase.
package demo
