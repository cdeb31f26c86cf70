package systemd

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/engramd/engramd/actuators"
	"github.com/engramd/engramd/policy"
)

// hosts are the first words of services that make a host work, and that nobody resizes.
var hosts = []string{
	"systemd-", "dbus", "getty@", "serial-getty@", "console-getty", "user@", "polkit", "init", "udisks2", "accounts-daemon",
	"rtkit-daemon", "ModemManager", "NetworkManager", "wpa_supplicant", "networking", "cron.", "crond.", "rsyslog.", "ssh.", "sshd.",
	"chrony", "ntp", "auditd.", "irqbalance.", "unattended-upgrades.", "containerd.", "docker.", "kubelet.", "engramd.",
}

// find lists the running services that could be targets.
func (d *Driver) find(ctx context.Context) ([]actuators.Found, error) {
	defer d.Close()
	m := d.manager(false)
	all, err := m.units(ctx)
	if err != nil {
		return nil, err
	}
	var found []actuators.Found
	for _, s := range all {
		if kindOf(s.Name) != "service" || s.SubState != "running" || ownerOf(s.Name) != "" ||
			slices.ContainsFunc(hosts, func(p string) bool { return strings.HasPrefix(s.Name, p) }) {
			continue
		}
		u, err := m.unit(ctx, s.Name)
		if err != nil {
			return nil, err
		}
		if u.running() && u.Cgroup != "" {
			found = append(found, actuators.Found{Name: nameOf(u.Name), Spec: &Spec{Unit: u.Name, Persistent: !u.Transient}, Note: noteOn(u, s.Description)})
		}
	}
	slices.SortFunc(found, func(a, b actuators.Found) int { return strings.Compare(a.Name, b.Name) })
	return found, nil
}

// nameOf is a unit as the name of a target.
func nameOf(unit string) string {
	name := strings.Map(func(r rune) rune {
		if r == '@' || r == ':' || r == '\\' {
			return '-'
		}
		return r
	}, strings.TrimSuffix(unit, ".service"))
	return strings.Trim(name, "-.")
}

// noteOn says what a person wants to know of a unit before it becomes a target.
func noteOn(u unit, description string) string {
	limit := func(r policy.Resource, q policy.Quantity) string {
		if _, limited := q.Amount(); !limited {
			return "no " + string(r) + " limit"
		}
		return string(r) + " " + r.Format(q)
	}
	note := fmt.Sprintf("%s, %s, %s", description, limit(policy.CPU, milliCPU(u.Settings[cpuQuota])), limit(policy.Memory, bytesOf(u.Settings[memoryMax])))
	if u.Transient {
		note += ", transient: live changes only"
	}
	return note
}
