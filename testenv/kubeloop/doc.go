// Package kubeloop runs the built engramd against a real Kubernetes node: agents as processes outside the cluster, and as
// sidecars in it, judged by what the API server shows and the kernel enforces.
//
// Its tests share one node; each has a namespace of its own, and engramd one service account of it, with the rights of
// deploy/kubernetes. Gates of testenv/loop stand between engramd and the API server where a test stops it at one call.
package kubeloop
