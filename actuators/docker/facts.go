package docker

import (
	"encoding/json"
	"fmt"
	"net"
	"slices"
	"strings"

	"github.com/engramd/engramd/policy"
)

// Labels of containers.
const (
	// LabelFrom is on a container that engramd recreated: the id of the one it was made from.
	LabelFrom = "io.engramd.recreated-from"

	labelSwarmTask    = "com.docker.swarm.task.id"
	labelSwarmService = "com.docker.swarm.service.name"
	labelPod          = "io.kubernetes.pod.name"
	labelCompose      = "com.docker.compose.service"
)

// facts is what planning needs to know of a container: all of it observed, since planning does no
// I/O, and nothing secret.
type facts struct {
	ID     string `json:"id"`
	Name   string `json:"name"`
	Image  string `json:"image"`
	Host   string `json:"host,omitempty"` // as the target says it
	Status string `json:"status"`

	CPU           cpuSetting      `json:"cpu"`
	Cpuset        cpuset          `json:"cpuset"`
	Place         *place          `json:"place,omitempty"` // nil: not on this host
	NoCpuset      bool            `json:"no_cpuset,omitempty"`
	CgroupV2      bool            `json:"cgroup_v2,omitempty"`
	Memory        memorySetting   `json:"memory"`
	CPUs          int             `json:"cpus"` // of the host
	CPUCeiling    policy.Quantity `json:"cpu_ceiling"`
	MemoryCeiling policy.Quantity `json:"memory_ceiling"`
	Restart       restartPolicy   `json:"restart"`

	AutoRemove   bool     `json:"auto_remove,omitempty"`
	SwarmService string   `json:"swarm_service,omitempty"`
	Pod          string   `json:"pod,omitempty"`
	Compose      string   `json:"compose,omitempty"`
	JoinedBy     []string `json:"joined_by,omitempty"`
	// JoinedUnknown says why it is not known who joins the container.
	JoinedUnknown string `json:"joined_unknown,omitempty"`
	// Nameless are the mount points of volumes that have no name to carry them over by, Anonymous
	// those of volumes that only have a generated one.
	Nameless  []string `json:"nameless,omitempty"`
	Anonymous []string `json:"anonymous,omitempty"`
	// RandomPorts are the container's ports whose host port Docker chose.
	RandomPorts []string `json:"random_ports,omitempty"`
	// MACs are the hardware addresses to keep, by network.
	MACs map[string]string `json:"macs,omitempty"`
}

// factsOf gathers what the container's own description says.
func factsOf(c container, host string) facts {
	f := facts{
		ID: c.ID, Name: c.name(), Image: c.Image, Host: host, Status: c.State.Status,
		CPU: cpuOf(c.HostConfig), Memory: memoryOf(c.HostConfig), Cpuset: cpusetOf(c.HostConfig), Restart: c.HostConfig.RestartPolicy,
		AutoRemove: c.HostConfig.AutoRemove, Pod: c.Config.Labels[labelPod], Compose: c.Config.Labels[labelCompose],
		RandomPorts: c.randomPorts(), MACs: c.macs(),
	}
	if task := c.Config.Labels[labelSwarmTask]; task != "" {
		f.SwarmService = c.Config.Labels[labelSwarmService]
		if f.SwarmService == "" {
			f.SwarmService = task
		}
	}
	for _, m := range c.unnamedVolumes() {
		if m.Name == "" {
			f.Nameless = append(f.Nameless, m.Destination)
		} else {
			f.Anonymous = append(f.Anonymous, m.Destination)
		}
	}
	return f
}

// unnamedVolumes are the volumes that nobody named when the container was created: created again, it
// would get new, empty ones.
func (c container) unnamedVolumes() []mountPoint {
	var mounts []struct{ Type, Source, Target string }
	_ = json.Unmarshal(c.rawHostConfig["Mounts"], &mounts) // null if there are none
	named := make(map[string]bool)
	for _, m := range mounts {
		if m.Source != "" {
			named[m.Target] = true
		}
	}
	for _, bind := range c.HostConfig.Binds {
		parts := strings.Split(bind, ":")
		if len(parts) > 1 {
			named[parts[1]] = true
		}
	}
	var found []mountPoint
	for _, m := range c.Mounts {
		if m.Type == "volume" && !named[m.Destination] {
			found = append(found, m)
		}
	}
	return found
}

func (c container) randomPorts() []string {
	var bindings map[string][]portBinding
	_ = json.Unmarshal(c.rawHostConfig["PortBindings"], &bindings)
	var random []string
	for port, hosts := range bindings {
		for _, b := range hosts {
			if b.HostPort == "" || b.HostPort == "0" {
				random = append(random, port)
			}
		}
	}
	slices.Sort(random)
	return slices.Compact(random)
}

// macs are the hardware addresses of a running container that are not just made from its IP address,
// as Docker does. Where the API tells the chosen one apart, in the configuration (before 1.44), that
// one goes along with it.
func (c container) macs() map[string]string {
	if _, told := c.rawConfig["MacAddress"]; told {
		return nil
	}
	macs := make(map[string]string)
	for name, e := range c.Network.Networks {
		ip := net.ParseIP(e.IPAddress).To4()
		if e.MacAddress == "" || ip == nil || e.MacAddress == fmt.Sprintf("02:42:%02x:%02x:%02x:%02x", ip[0], ip[1], ip[2], ip[3]) {
			continue
		}
		macs[name] = e.MacAddress
	}
	if len(macs) == 0 {
		return nil
	}
	return macs
}
