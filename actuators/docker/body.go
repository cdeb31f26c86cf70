package docker

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/moby/moby/client/pkg/versions"

	"github.com/engramd/engramd/actuators"
)

// severalNetworks is the API version from which a creation takes several endpoints, and their
// hardware addresses.
const severalNetworks = "1.44"

// body is the request that creates the new container: the old one's configuration as the daemon
// shows it, with every field, also such as this program does not know, and only what must differ
// changed.
func (r recreating) body(old container, api string, imageEntrypoint []string) (map[string]json.RawMessage, error) {
	body := maps.Clone(old.rawConfig)
	set := func(into map[string]json.RawMessage, key string, v any) { into[key] = actuators.Encode(v) }
	set(body, "Image", r.Image) // by id: the tag may mean another image by now

	labels := maps.Clone(old.Config.Labels)
	if labels == nil {
		labels = make(map[string]string)
	}
	labels[LabelFrom] = r.ID
	set(body, "Labels", labels)

	h := old.HostConfig
	shared := strings.HasPrefix(h.NetworkMode, "container:")
	if shared || h.UTSMode == "host" || old.Config.Hostname == old.ID[:min(12, len(old.ID))] {
		// Somebody else's, or Docker's own choice: the start of the id.
		delete(body, "Hostname")
	}
	if shared {
		delete(body, "ExposedPorts")
		delete(body, "MacAddress")
	}
	if len(old.Config.Entrypoint) == 0 && len(imageEntrypoint) > 0 {
		set(body, "Entrypoint", []string{""}) // somebody switched the image's off
	}

	host, err := r.hostBody(old)
	if err != nil {
		return nil, err
	}
	set(body, "HostConfig", host)
	set(body, "NetworkingConfig", map[string]any{"EndpointsConfig": old.firstEndpoints(r.MACs, api)})
	return body, nil
}

// hostBody is the new container's host configuration.
func (r recreating) hostBody(old container) (map[string]json.RawMessage, error) {
	host := maps.Clone(old.rawHostConfig)
	set := func(key string, v any) { host[key] = actuators.Encode(v) }
	set("RestartPolicy", r.Restart)
	set("AutoRemove", false)
	cpu, memory := cpuOf(old.HostConfig), memoryOf(old.HostConfig)
	if r.CPU != nil {
		cpu = *r.CPU
	}
	if r.Memory != nil {
		memory = *r.Memory
	}
	if cpu.NanoCPUs > 0 { // they exclude each other, and a leftover -1 would win
		cpu.Quota, cpu.Period = 0, 0
	}
	set("NanoCpus", cpu.NanoCPUs)
	set("CpuQuota", cpu.Quota)
	set("CpuPeriod", cpu.Period)
	set("Memory", memory.Memory)
	set("MemorySwap", memory.Swap)
	set("MemoryReservation", max(0, memory.Reservation))
	if r.Cpuset != nil {
		set("CpusetCpus", r.Cpuset.CPUs)
		set("CpusetMems", r.Cpuset.Mems)
	}
	return host, r.carryVolumes(old, host)
}

// carryVolumes names the volumes that the old container got without a name, so that the new one gets
// the same.
func (r recreating) carryVolumes(old container, host map[string]json.RawMessage) error {
	unnamed := old.unnamedVolumes()
	if len(unnamed) == 0 {
		return nil
	}
	var mounts []map[string]json.RawMessage
	if raw := host["Mounts"]; len(raw) > 0 {
		if err := json.Unmarshal(raw, &mounts); err != nil {
			return fmt.Errorf("docker: the mounts of %s make no sense: %w", r.Name, err)
		}
	}
	binds := slices.Clone(old.HostConfig.Binds)
	for _, m := range unnamed {
		if m.Name == "" {
			return fmt.Errorf("docker: the volume of %s at %s has no name to carry it over by", r.Name, m.Destination)
		}
		if at := slices.IndexFunc(mounts, func(spec map[string]json.RawMessage) bool {
			return string(spec["Target"]) == string(actuators.Encode(m.Destination))
		}); at >= 0 {
			mounts[at]["Source"] = actuators.Encode(m.Name)
			continue
		}
		bind := m.Name + ":" + m.Destination
		if !m.RW {
			bind += ":ro"
		}
		binds = append(binds, bind)
	}
	host["Binds"] = actuators.Encode(binds)
	if mounts != nil {
		host["Mounts"] = actuators.Encode(mounts)
	}
	return nil
}

// endpoints are the places in networks that somebody asked for, without what is only so while the
// container runs.
func (c container) endpoints(macs map[string]string) map[string]endpoint {
	mode := c.HostConfig.NetworkMode
	if mode == "host" || mode == "none" || strings.HasPrefix(mode, "container:") {
		return nil
	}
	endpoints := make(map[string]endpoint)
	for name, e := range c.Network.Networks {
		aliases := slices.DeleteFunc(slices.Clone(e.Aliases), func(alias string) bool {
			return len(alias) >= 12 && strings.HasPrefix(c.ID, alias) // added by Docker itself
		})
		if string(e.IPAMConfig) == "null" {
			e.IPAMConfig = nil
		}
		endpoints[name] = endpoint{
			IPAMConfig: e.IPAMConfig, Links: e.Links, Aliases: aliases, DriverOpts: e.DriverOpts,
			GwPriority: e.GwPriority, MacAddress: macs[name],
		}
	}
	return endpoints
}

// firstEndpoints are those that a creation takes at once.
func (c container) firstEndpoints(macs map[string]string, api string) map[string]endpoint {
	all := c.endpoints(macs)
	if len(all) < 2 || !versions.LessThan(api, severalNetworks) {
		return all
	}
	mode := c.HostConfig.NetworkMode
	if mode == "default" || mode == "" {
		mode = "bridge"
	}
	if e, ok := all[mode]; ok {
		return map[string]endpoint{mode: e}
	}
	first := slices.Sorted(maps.Keys(all))[0] // the mode is a network's id
	for _, name := range slices.Sorted(maps.Keys(all)) {
		if c.Network.Networks[name].networkIs(mode) {
			first = name
		}
	}
	return map[string]endpoint{first: all[first]}
}
