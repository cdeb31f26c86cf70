package kubernetes

import (
	"context"
	"fmt"

	corev1 "k8s.io/api/core/v1"

	"github.com/engramd/engramd/actuators"
	"github.com/engramd/engramd/policy"
)

// room refuses a smaller memory limit that the kubelet would not set, before the pod is told of it, on the way
// there or back: the kubelet compares all that is in use, page cache included. A container that the resize
// restarts starts empty. Where the use cannot be read from here the kubelet alone decides.
func (d *Driver) room(ctx context.Context, j job, p corev1.Pod, r resize) error {
	now, err := settingsIn(p, r.Container)
	if err != nil || now.have(r.Changes) || r.Restarts || !r.Changes.shrink(policy.Memory) {
		return err
	}
	part, err := partOf(p, j.spec, facts{
		Workload: r.Workload, Namespace: p.Namespace, Container: r.Container, Whereabouts: whereaboutsOf(p, r.Container),
	})
	if err != nil {
		return err
	}
	used, err := d.Measure(ctx, j.target, part)
	if err != nil || used.Memory.Usage == nil {
		d.log.Debug("memory in use not read before a decrease", "pod", p.Name, "error", err)
		return nil
	}
	limit, _ := units(policy.Memory, r.Changes[policy.Memory].To.Limit)
	if *used.Memory.Usage < limit {
		return nil
	}
	return fmt.Errorf("%w: %s of memory are in use in pod %s, page cache included, which the kubelet counts: that does not fit into %s",
		actuators.ErrRefused, policy.Memory.Format(policy.Amount(*used.Memory.Usage)), p.Name, r.Changes[policy.Memory].To.Limit)
}
