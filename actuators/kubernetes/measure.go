package kubernetes

import (
	"context"
	"errors"
	"fmt"

	corev1 "k8s.io/api/core/v1"

	"github.com/engramd/engramd/actuators"
	"github.com/engramd/engramd/actuators/cgroup"
	"github.com/engramd/engramd/policy"
)

// A whereabouts is where the use of a pod's container can be read. It is a part of the facts.
type whereabouts struct {
	HostIP      string `json:"host_ip,omitempty"`
	ContainerID string `json:"container_id,omitempty"` // the runtime's, without its name
}

func whereaboutsOf(p corev1.Pod, container string) whereabouts {
	w := whereabouts{HostIP: p.Status.HostIP}
	if s := statusOf(p, container); s != nil {
		w.ContainerID = containerID(*s)
	}
	return w
}

// Measure reads the use of a part from the kubelet of its node, at most seconds old on the way here,
// and as old as the kubelet's own look, some 10 s. It needs the right to get nodes/metrics. What the
// kubelet does not show is absent. The limits that hold are those of Part.Effective.
func (d *Driver) Measure(ctx context.Context, t policy.Target, p actuators.Part) (cgroup.Stats, error) {
	spec, c, err := d.reach(t)
	if err != nil {
		return cgroup.Stats{}, err
	}
	f, err := factsOf(p)
	if err != nil {
		return cgroup.Stats{}, err
	}
	if f.Whereabouts.HostIP == "" {
		return cgroup.Stats{}, fmt.Errorf("measure %s: %w: it is on no node yet", p.Name, actuators.ErrNotFound)
	}
	k, err := d.shared.kubelets.at(c, f.Whereabouts.HostIP, spec.Kubelet)
	if err != nil {
		return cgroup.Stats{}, fmt.Errorf("measure %s: %w", p.Name, err)
	}
	name := containerName{f.Namespace, f.Pod, f.Container}
	n, err := k.numbers(ctx, name, f.Whereabouts.ContainerID)
	if err != nil {
		return cgroup.Stats{}, fmt.Errorf("measure %s: %w", p.Name, err)
	}
	return n.stats(), nil
}

// The kubelet's pages, the fuller first. On the other there is little, but that is there whatever reads
// the statistics for the kubelet.
const (
	cadvisorPage = "/metrics/cadvisor"
	resourcePage = "/metrics/resource"
)

// numbers finds a container on the kubelet's pages. The second is read only for what the first does not
// have.
func (k *kubelet) numbers(ctx context.Context, name containerName, id string) (numbers, error) {
	var all numbers
	for _, path := range []string{cadvisorPage, resourcePage} {
		p, err := k.page(ctx, path)
		if errors.Is(err, errNoPage) {
			continue
		}
		if err != nil && (all.known[cpuUsed] || all.known[memoryWorkingSet]) {
			return all, nil // half of it is better than nothing
		}
		if err != nil {
			return numbers{}, err
		}
		n, _ := p.of(name, id)
		n.settle()
		all.fill(n)
		if all.known[cpuUsed] && all.known[memoryWorkingSet] {
			return all, nil
		}
	}
	if !all.known[cpuUsed] && !all.known[memoryWorkingSet] {
		return numbers{}, fmt.Errorf("%w: the kubelet at %s does not show container %s of it (yet)", actuators.ErrTransient, k.address, name.container)
	}
	return all, nil
}
