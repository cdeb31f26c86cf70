package nodehost

import (
	"fmt"
	"log/slog"
	"math"
	"os"
	"runtime/debug"

	"github.com/engramd/engramd/agent/config"
	"github.com/engramd/engramd/node/pressure"
	"github.com/engramd/engramd/node/threads"
)

// GoShare is the part of the control group's memory limit that becomes GOMEMLIMIT: the rest is for what
// Go's runtime does not count (page tables, the kernel's own), and for the index, whose tables need twice their room for a moment
// when they grow: with 0.9 an import that was fast enough ended in an OOM kill.
const GoShare = 0.8

// Prepare fits the process to what it may use: GOMEMLIMIT to the limit of the control group, unless the
// environment says one, and where memory comes from to the cores. For the latter it may start the program
// again, in the same process, and not return. It returns the memory policy in force.
func Prepare(n config.Node, log *slog.Logger) (threads.MemoryPolicy, error) {
	limitGo(os.Getenv("GOMEMLIMIT"), pressure.System{}, log)
	topology, err := threads.ReadTopology("/")
	if err != nil && n.NUMA.Aware != nil && *n.NUMA.Aware {
		return threads.MemoryPolicy{}, err
	}
	if err != nil {
		return threads.MemoryPolicy{Policy: threads.PolicyDefault, Reason: err.Error()}, nil
	}
	want, err := threads.NUMA{Aware: n.NUMA.Aware, Bind: n.NUMA.Bind}.Policy(topology)
	if err != nil {
		return want, err
	}
	return threads.ApplyMemoryPolicy(want)
}

// limitGo sets GOMEMLIMIT if there is a limit on this process, and nothing in the environment.
func limitGo(environment string, system pressure.System, log *slog.Logger) {
	if environment != "" {
		return
	}
	limit, by, ok := groupLimit(system)
	if !ok {
		return
	}
	share := int64(GoShare * float64(limit))
	debug.SetMemoryLimit(share)
	log.Info("memory limit set", "component", "node", "gomemlimit_bytes", share, "of_bytes", limit, "limited_by", by,
		"share", fmt.Sprintf("%.0f%%", 100*GoShare))
}

// groupLimit is the least limit of the control groups that this process is in.
func groupLimit(system pressure.System) (limit int64, by string, ok bool) {
	system.GoLimit = func() int64 { return math.MaxInt64 }
	reading, _ := system.Read() // what cannot be read limits nothing that we know of
	for _, b := range reading.Bounds {
		if b.Name != "host" && (!ok || b.LimitBytes < limit) {
			limit, by, ok = b.LimitBytes, b.Name, true
		}
	}
	return limit, by, ok
}
