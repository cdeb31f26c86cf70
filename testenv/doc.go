// Package testenv gives tests real systems to run against, and the kernel's own counters to judge the product by.
//
// A test that needs a real system begins with [Need]: it is skipped, with the reason, unless ENGRAMD_E2E asks for that
// kind, and fails when ENGRAMD_E2E asks for it and this machine cannot have it. What a test leaves to look at goes to
// [Artifacts]. Everything here belongs to one test and ends with it, through t.Cleanup; nothing is shared between tests.
// Product code never imports this package.
//
// Environment:
//
//	ENGRAMD_E2E        kinds of real systems to test against: docker, node, host, kubernetes (a list with commas), or all
//	ENGRAMD_E2E_INSIDE set to host inside the machine that testenv/host boots, where tests of that kind run
//	ENGRAMD_ARTIFACTS  directory that keeps logs after the tests; without it they go with the test's temporary directory
//	ENGRAMD_PATIENCE   how many times slower than usual this machine is (see [Patience])
//	ENGRAMD_BINARIES   directory of ready-made binaries (workload, engramd), for machines without Go (see [Build])
//
// Subpackages: docker (a dockerd of its own), host (a machine of its own: systemd, cgroup v2, NUMA), kubernetes
// (a whole node of its own), kubeloop (engramd run against it), loop (engramd run), node (engramd node serve), workload (the service under test), load (the load generator), cgroupfs (the
// kernel's counters).
package testenv
