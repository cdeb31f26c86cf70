package host_test

import (
	"testing"

	"github.com/engramd/engramd/testenv/host"
)

// rooms are the packages whose tests run on the host, in this order. A line is a package and those of its tests that make
// sense under emulation; one package may have several.
var rooms = []struct{ name, pkg, tests string }{
	{"actuators/docker", "actuators/docker", "^TestE2ELive"},
	// Each case is a container or two, and emulation makes them slow: memory both ways, whose kernel files are others on
	// cgroup v2, one restart, and the refusals.
	{"docker conformance", "actuators/docker", "^TestE2EConformance$/^(absent_target|memory_64Mi_to_128Mi|memory_128Mi_to_64Mi|cpu_by_restart|refuse_.*)$"},
	{"actuators/systemd", "actuators/systemd", "^TestE2E"},
	{"testenv/deploy", "testenv/deploy", "^TestE2EUnit$"},
	{"testenv/hostloop", "testenv/hostloop", "^TestE2E"},
}

// TestE2EHost boots one machine and runs the tests of all rooms on it.
func TestE2EHost(t *testing.T) {
	m := host.Up(t, host.Options{Disk: 1 << 30})
	for _, r := range rooms {
		t.Run(r.name, func(t *testing.T) { m.RunTests(t, r.pkg, r.tests) })
	}
}
