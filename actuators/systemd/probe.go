package systemd

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/engramd/engramd/actuators"
)

// probe says what works with the system's manager, and with the user's where there is one.
func (d *Driver) probe(ctx context.Context) []actuators.Finding {
	defer d.Close()
	found := d.probeManager(ctx, "systemd", Spec{})
	if os.Geteuid() != 0 {
		found = append(found, d.probeManager(ctx, "systemd of the user", Spec{User: true})...)
	}
	return found
}

func (d *Driver) probeManager(ctx context.Context, what string, s Spec) []actuators.Finding {
	reached := actuators.Finding{What: what}
	a, err := d.manager(s.User).about(ctx)
	if err != nil {
		reached.Detail, reached.Remedy = err.Error(), "run engramd on the host, beside systemd and D-Bus; in a container with /run/dbus/system_bus_socket mounted"
		return []actuators.Finding{reached}
	}
	reached.OK, reached.Detail = true, "systemd "+a.Version+" answers over D-Bus"
	return []actuators.Finding{reached, d.probeRights(what, s), d.probeCgroups(what, s, a)}
}

// probeRights tells whether properties may be set, and drop-ins made and removed. What polkit would
// say is not asked: that could open a dialogue.
func (d *Driver) probeRights(what string, s Spec) actuators.Finding {
	f := actuators.Finding{What: what + " rights", OK: true, Detail: "properties can be set, drop-ins made and removed"}
	if !s.User && os.Geteuid() != 0 {
		f.OK, f.Detail = false, fmt.Sprintf("user %d may not set properties of the system's units, unless polkit allows org.freedesktop.systemd1.manage-units", os.Geteuid())
		f.Remedy = "run engramd as root, or use units of the user (user: true)"
		return f
	}
	for _, persistent := range []bool{false, true} {
		s.Persistent = persistent
		p := placesOf(s, false)
		for _, dir := range []string{p.control, p.own} {
			if why := d.files.writable(dir); why != "" {
				f.OK, f.Detail = false, "drop-ins cannot be made and removed: "+why
				f.Remedy = "in engramd's own unit: ReadWritePaths=/etc/systemd /run/systemd"
			}
		}
	}
	return f
}

func (d *Driver) probeCgroups(what string, s Spec, a about) actuators.Finding {
	f := actuators.Finding{What: what + " cgroups"}
	v2, have := d.controllers(a)
	switch {
	case !v2:
		f.Detail = "cgroup v1: CPUQuota and MemoryMax work; MemoryHigh, pressure and pinning (AllowedCPUs) do not"
		f.Remedy = "boot with systemd.unified_cgroup_hierarchy=1"
		return f
	case have == nil:
		f.Detail, f.Remedy = "cgroup v2, but the group of systemd cannot be read", "run engramd in the host's cgroup namespace, with /sys/fs/cgroup mounted"
		return f
	}
	var missing []string
	for _, c := range []string{"cpu", "cpuset", "memory"} {
		if !slices.Contains(have, c) {
			missing = append(missing, c)
		}
	}
	f.OK, f.Detail = len(missing) == 0, "cgroup v2 with "+strings.Join(have, ", ")
	if !f.OK {
		f.Detail += "; not delegated: " + strings.Join(missing, ", ")
		if f.Remedy = "boot with these controllers enabled"; s.User {
			f.Remedy = "systemctl edit user@.service, and add Delegate=cpu cpuset memory io pids"
		}
	}
	return f
}
