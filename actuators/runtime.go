package actuators

import (
	"fmt"

	"github.com/engramd/engramd/actuators/process"
	"github.com/engramd/engramd/policy"
)

// Unfollowed says why a target's process does not follow a change of r while it runs, nil-safe for a
// target whose runtime was not found. Said is what the configuration calls it, which counts more; only
// CPU and memory are followed at all.
func Unfollowed(r policy.Resource, said string, found *process.Runtime) process.Fixed {
	known := found != nil && (said == "" || said == "auto" || said == string(found.Kind))
	switch {
	case known && r == policy.CPU:
		return found.CPU
	case known && r == policy.Memory:
		return found.Memory
	case r == policy.CPU && (said == string(process.JVM) || said == string(process.Go)):
		return process.Fixed{Why: fmt.Sprintf("a %s runtime may size itself at its start only", said), Restart: true}
	case r == policy.Memory && said == string(process.JVM):
		return process.Fixed{Why: "a JVM sizes its heap at its start", Restart: true}
	}
	return process.Fixed{}
}

// unfollowed says why more of a resource may have had no effect, and what to do; "" if nothing is known.
func (r *run) unfollowed() string {
	f := Unfollowed(r.a.Resource, r.a.Target.Runtime, r.latest.Usage.Runtime)
	if r.a.Direction != policy.Growth || f.Restart && r.a.Plan.Strategy == policy.Restart {
		return ""
	}
	return f.Remedy(string(r.a.Resource))
}
