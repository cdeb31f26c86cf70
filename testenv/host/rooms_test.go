package host_test

import (
	"testing"

	"github.com/engramd/engramd/testenv/host"
)

// rooms are the packages whose tests run on the host, in this order. A line is a package and those of its tests that make
// sense under emulation; one package may have several.
var rooms = []struct{ name, pkg, tests string }{
	{"actuators/docker", "actuators/docker", "^TestE2ELive"},
	{"actuators/systemd", "actuators/systemd", "^TestE2E"},
	{"testenv/deploy", "testenv/deploy", "^TestE2EUnit$"},
	{"numa", "testenv/hostloop", "^TestE2ENUMA$"},
}

// TestE2EHost boots one machine and runs the tests of all rooms on it.
func TestE2EHost(t *testing.T) {
	m := host.Up(t, host.Options{Disk: 1 << 30})
	for _, r := range rooms {
		t.Run(r.name, func(t *testing.T) { m.RunTests(t, r.pkg, r.tests) })
	}
}
