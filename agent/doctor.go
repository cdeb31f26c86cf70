package agent

import (
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/engramd/engramd/actuators"
	"github.com/engramd/engramd/actuators/cgroup"
	"github.com/engramd/engramd/agent/config"
	"github.com/engramd/engramd/agent/journal/hostlock"
)

// Doctor says what of this machine an agent with that configuration can use. It leaves nothing behind.
func Doctor(cfg *config.Config) []actuators.Finding {
	return []actuators.Finding{doctorCgroup(), doctorPressure(), doctorDataDir(cfg.DataDir), doctorLocks()}
}

func doctorCgroup() actuators.Finding {
	f := actuators.Finding{What: "cgroups", Remedy: "mount /sys/fs/cgroup, or give the container it runs in a read-only view of the host's"}
	g, err := cgroup.Find("/", os.Getpid())
	if err == nil {
		_, err = g.Read()
	}
	if err != nil {
		f.Detail = err.Error()
		return f
	}
	c, err := cgroup.HostCapacity("/")
	if err != nil {
		f.Detail = err.Error()
		return f
	}
	f.OK, f.Detail = true, fmt.Sprintf("readable; the host has %d CPUs and %.1f GiB", len(c.Online), float64(c.MemoryBytes)/(1<<30))
	return f
}

func doctorPressure() actuators.Finding {
	f := actuators.Finding{What: "pressure (PSI)", OK: true, Detail: "the host tells it"}
	if _, err := os.ReadFile("/proc/pressure/cpu"); err != nil {
		f.Detail = "the host does not tell it; throttling and use are judged without (boot with psi=1 to have it)"
	}
	return f
}

func doctorDataDir(dir string) actuators.Finding {
	f := actuators.Finding{What: "data_dir " + dir, Remedy: "make it writable for this user, or name another data_dir"}
	existing := dir
	for {
		if _, err := os.Stat(existing); err == nil || existing == filepath.Dir(existing) {
			break
		}
		existing = filepath.Dir(existing)
	}
	tmp, err := os.MkdirTemp(existing, ".engramd-doctor-")
	if err != nil {
		f.Detail = err.Error()
		return f
	}
	if err := os.Remove(tmp); err != nil {
		f.Detail = err.Error()
		return f
	}
	f.OK, f.Detail = true, "writable"
	return f
}

func doctorLocks() actuators.Finding {
	f := actuators.Finding{What: "host locks", Remedy: "make /run/lock/engramd with mode 1777"}
	dir, err := hostlock.Find()
	if err != nil {
		f.Detail = err.Error()
		return f
	}
	lock, err := dir.TryLock(fmt.Sprintf("doctor-%d", time.Now().UnixNano()), "")
	if err != nil {
		f.Detail = err.Error()
		return f
	}
	path := lock.Path()
	if err := lock.Close(); err != nil {
		f.Detail = err.Error()
		return f
	}
	if err := os.Remove(path); err != nil {
		f.Detail = err.Error()
		return f
	}
	f.OK, f.Detail = true, "usable in "+string(dir)
	return f
}
