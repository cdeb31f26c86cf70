// Package host runs a real host for tests: a virtual machine with Debian, systemd as PID 1, cgroup v2, two NUMA nodes of two
// processors and a gigabyte each, and Docker installed. QEMU emulates it in software, so it needs no virtualization and
// boots in 20 s; its time is slow: test that things happen, never how fast.
//
// A package's tests get to run inside like this. The test begins with testenv.Need(t, "host"), which skips it everywhere but
// inside, and is then root on that host, alone with the other tests of its package:
//
//	func TestE2ELiveCPU(t *testing.T) {
//		testenv.Need(t, "host")
//		...
//
// and the package has a line in the list of rooms_test.go of this package. TestE2EHost (make e2e-host) boots one machine,
// brings the packages' tests in one after another ([Guest.Furnish]: built with go test -c, with their testdata), and shows
// each as a subtest of its own. Inside, ENGRAMD_E2E is host,docker, so that tests that need Docker run there too, on cgroup v2;
// testenv.Build(t, "testenv/workload") and "cmd/engramd" find the binaries ready-made; what a test leaves among its
// artifacts is brought out. There is no Go inside, and no network beyond the machine.
//
// A [Machine] belongs to the process that booted it and dies with it, also when that is killed. Its disk is a throw-away
// copy, and nothing of it has a name in a file system, so that nothing can stay behind. The image comes from Debian's
// packages by the recipe image.sh and is cached under the recipe's hash. To try things by hand see the command vm.
package host
