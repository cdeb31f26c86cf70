// Package kubernetes holds the manifests that engramd is deployed with on Kubernetes, for the tests that
// start each of them for real. The product does not import it.
//
//   - agent: a DaemonSet whose pods take turns at the workloads of their namespace; a Lease a workload says
//     whose turn it is.
//   - sidecar: a container beside another in its pod, which resizes that pod and nothing else.
//   - storage: a component, the rights to grow volumes, for the agent.
//
// They are plain: kubectl apply -k takes each directory, and there is nothing in them that kustomize would
// need a plugin for.
package kubernetes

import "embed"

// Files are the manifests.
//
//go:embed agent sidecar storage
var Files embed.FS
