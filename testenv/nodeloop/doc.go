// Package nodeloop runs engramd with a memory node that it looks after: the embedded one as `make run` starts it, with the
// agent.yaml at the top of the project, and others over HTTP, through a [Gate] that holds single requests. What is judged is
// what the node answers, and what a model of the test has seen acknowledged.
package nodeloop
