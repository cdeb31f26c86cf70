package docker

import (
	"context"
	"fmt"
	"os"

	"github.com/engramd/engramd/actuators"
	"github.com/engramd/engramd/actuators/cgroup"
)

// probe says what works with the daemon from here.
func probe(ctx context.Context, host string) []actuators.Finding {
	finding := actuators.Finding{What: "docker daemon", Detail: hostName(host)}
	d, err := dial(host)
	if err != nil {
		finding.Detail, finding.Remedy = err.Error(), "set DOCKER_HOST, or host in the target's docker section"
		return []actuators.Finding{finding}
	}
	defer d.close()
	info, err := d.about(ctx)
	if err != nil {
		finding.Detail, finding.Remedy = err.Error(), "start dockerd, and run engramd as root or as a member of the group docker"
		return []actuators.Finding{finding}
	}
	finding.OK = true
	finding.Detail = fmt.Sprintf("%s: Docker %s, API %s, %d CPUs, cgroup v%d", d.host, info.Version, d.api.ClientVersion(), info.CPUs, version(info))
	return []actuators.Finding{finding, probeSwap(info), probeCgroups(ctx, d)}
}

func version(info daemonInfo) int {
	if info.CgroupV2 {
		return 2
	}
	return 1
}

func probeSwap(info daemonInfo) actuators.Finding {
	f := actuators.Finding{What: "docker swap limits", OK: info.SwapLimits, Detail: "the kernel counts swap, so a memory limit bounds memory and swap"}
	if !f.OK {
		f.Detail = "the kernel does not count swap: a container may swap without bound"
		f.Remedy = "boot with swapaccount=1, or switch swap off"
	}
	return f
}

// probeCgroups tries to read the cgroup of a running container: that is where effective limits,
// throttling and pressure come from.
func probeCgroups(ctx context.Context, d *daemon) actuators.Finding {
	f := actuators.Finding{What: "docker cgroups", OK: true, Detail: "no container is running, so nothing could be tried"}
	running, err := d.list(ctx, false)
	if err != nil {
		return actuators.Finding{What: f.What, Detail: err.Error()}
	}
	reader := Driver{root: "/", log: discard()}
	for _, s := range running {
		c, err := d.inspect(ctx, s.ID)
		if err != nil {
			continue
		}
		g, _, ok := reader.local(c)
		if !ok {
			f.OK = false
			f.Detail = fmt.Sprintf("the cgroup of %s cannot be read from here: only configured limits are known", c.name())
			f.Remedy = "run engramd on the daemon's host; in a container with --pid=host, --cgroupns=host and /sys/fs/cgroup mounted"
			return f
		}
		f.Detail = fmt.Sprintf("%s is readable at %s", c.name(), g.Path)
		if g.V2 && os.Geteuid() != 0 {
			f.Detail += "; page cache is not reclaimed before a memory decrease, since only root may"
		}
		return f
	}
	if _, err := cgroup.Find("/", os.Getpid()); err != nil {
		f.OK, f.Detail, f.Remedy = false, err.Error(), "mount /sys/fs/cgroup"
	}
	return f
}
