// Package kubernetes runs a real Kubernetes node for the tests, and takes away everything that it made.
//
// [Up] starts a whole node: etcd, the API server, the controller manager, the scheduler, containerd and a kubelet, all
// built from the Go modules of recipe/ (once, then kept in the user's cache directory). [Shared] starts one for all tests
// of a package, whose TestMain calls [Main]. [APIServer] starts etcd and the API server alone, in three seconds, for what
// needs no pods: leases, roles, admission, conflicts, server-side apply.
//
// The node lives in namespaces of its own (processes, mounts, network), whose first process is the command pid1. When it
// ends, and it ends with the test process however that ends, the kernel ends every process of the node, and takes away
// its mounts, interfaces and packet filters. What stays are one directory and one cgroup, which Stop removes, or the next
// start on the machine ([Sweep]) after a test that was killed.
//
// The network of a node is 10.N.0.0/16, claimed for it: the node has 10.N.0.2, pods have 10.N.2.0/24 on a bridge, and the
// test reaches both through a veth pair. There is no kube-proxy and no DNS: of all services only the API server's own
// works, because its cluster address is one of the node's. Pods use images that are built here ([Image]) and loaded into
// containerd ([Cluster.Load]), with imagePullPolicy Never.
package kubernetes
