package host_test

import (
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/engramd/engramd/testenv"
	"github.com/engramd/engramd/testenv/host"
)

// rooms are the packages whose tests run on the host, in this order. A line is a package and those of its tests that make
// sense under emulation; one package may have several.
var rooms = []struct{ name, pkg, tests string }{
	{"actuators/docker", "actuators/docker", "^TestE2E(Live|Conformance$)"},
	// Not MemoryPressure: how much a unit stalls below its MemoryHigh depends on how busy the emulating machine is.
	{"actuators/systemd", "actuators/systemd", "^TestE2E(Conformance|LiveCPU|MemoryShrink|Pinned|Release|Slice|Transient|Scope|User|Stubborn|RestartFails|BusDies|Unusable)$"},
	{"actuators/volume", "actuators/volume", "^TestE2E(Grow|Full|Killed|Refused)$"},
	{"testenv/deploy", "testenv/deploy", "^TestE2EUnit$"},
	{"testenv/hostloop", "testenv/hostloop", "^TestE2E"},
}

// TestE2EHost boots one machine and runs the tests of all rooms on it.
func TestE2EHost(t *testing.T) {
	m := host.Up(t, host.Options{Disk: 1 << 30})
	t.Run("disk grows", func(t *testing.T) { diskGrows(t, m) })
	for _, r := range rooms {
		t.Run(r.name, func(t *testing.T) { m.RunTests(t, r.pkg, r.tests) })
	}
}

// makeVolume is a script that mounts an xfs in a partition of the second disk where actuators/volume's TestE2EDisk looks for it.
const makeVolume = `
disk=/dev/disk/by-id/virtio-data
printf 'label: gpt\n,\n' | sfdisk --quiet $disk
udevadm settle
mkfs.xfs -q $disk-part1
mkdir -p /srv/volume
mount -t xfs $disk-part1 /srv/volume
`

// diskGrows gives the second disk more room, as a cloud's volume gets it, and has engramd's driver grow what is on it.
func diskGrows(t *testing.T, m *host.Machine) {
	const more = 2 << 30
	if _, err := m.Output(t.Context(), "sh", "-ec", makeVolume); err != nil {
		t.Fatal(err)
	}
	if err := m.GrowDisk(more); err != nil {
		t.Fatal(err)
	}
	size := func() string {
		out, err := m.Output(t.Context(), "blockdev", "--getsize64", "/dev/disk/by-id/virtio-data")
		if err != nil {
			t.Fatal(err)
		}
		return strings.TrimSpace(out)
	}
	testenv.Eventually(t, 30*time.Second, "the disk is larger", func() bool { return size() == strconv.Itoa(more) })
	m.RunTests(t, "actuators/volume", "^TestE2EDisk$")
	if _, err := m.Output(t.Context(), "umount", "/srv/volume"); err != nil {
		t.Error(err)
	}
}
