// Package kubeloop runs the built engramd against a real Kubernetes node: agents as processes outside the cluster, judged by
// what the API server shows and the kernel enforces. The tests of deploy/kubernetes start those inside.
//
// Its tests share one node; each has a namespace of its own, and engramd one service account of it, with the rights of
// deploy/kubernetes. Those that stop the node or the API server, or measure how the kernel holds pods back, run by
// themselves; the others beside one another. Gates of testenv/loop stand between engramd and the API server where a test
// stops it at one call.
package kubeloop
