package kubernetes

import (
	"cmp"
	"context"
	"strings"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/engramd/engramd/actuators"
	"github.com/engramd/engramd/policy"
)

// pauseKey is the label or annotation, on the workload, that keeps us away from it. Its value says
// why; "false" is not paused.
const pauseKey = "engramd.io/pause"

// Observe reports each pod of the workload, as configured and as the kubelet shows it.
func (d *Driver) Observe(ctx context.Context, t policy.Target) (actuators.State, error) {
	if ctx.Err() != nil {
		return actuators.State{}, context.Cause(ctx)
	}
	spec, c, err := d.reach(t)
	if err != nil {
		return actuators.State{}, err
	}
	w, err := c.workload(ctx, spec)
	if err != nil {
		return actuators.State{}, err
	}
	ours, err := container(&w.template.Spec, spec.Container)
	if err != nil {
		return actuators.State{}, err
	}
	pods, err := c.pods(ctx, w)
	if err != nil {
		return actuators.State{}, err
	}
	rules, err := c.rules(ctx, w)
	if err != nil {
		return actuators.State{}, err
	}
	shared := facts{
		Workload: w.ref, Namespace: w.Namespace, Container: ours.Name, Template: settingsOf(ours.Resources),
		Manual: w.rollout.manual, Wanted: w.rollout.wanted, Rules: rules,
		Owners: ownersOf(w.meta.ManagedFields, ours.Name), Hopeless: d.givenUp(t.Name),
	}
	if by := metav1.GetControllerOf(&w.meta); by != nil && w.pod == nil {
		shared.Operator = by.Kind + " " + by.Name
	}
	if w.pod == nil && w.rollout.manual == "" && w.rollout.mixed() { // else it may stay like that for good
		shared.Rolling = w.rollout.String()
	}
	st := actuators.State{Paused: paused(w)}
	for _, p := range pods {
		f := shared
		f.Whereabouts = whereaboutsOf(p, ours.Name)
		if wantsStorage(t, spec) {
			one, err := c.claim(ctx, p, spec, ours.Name)
			if err != nil {
				return actuators.State{}, err
			}
			f.Claim = &one
		}
		part, err := partOf(p, spec, f)
		if err != nil {
			return actuators.State{}, err
		}
		showPods(&part, w)
		showStorage(&part, f.Claim)
		part.PID, part.Cgroup = d.shared.local.find(spec, p, f.Whereabouts.ContainerID)
		st.Parts = append(st.Parts, part)
	}
	return st, nil
}

// paused says who asked on the workload itself that nothing of it be touched.
func paused(w workload) string {
	asked := func(where string, values map[string]string) string {
		v, ok := values[pauseKey]
		if !ok || v == "false" {
			return ""
		}
		why := "the " + where + " " + pauseKey + " of " + w.ref.String()
		if v != "" && v != "true" {
			why += ": " + v
		}
		return why
	}
	return cmp.Or(asked("annotation", w.meta.Annotations), asked("label", w.meta.Labels)) // always the same of two
}

// partOf is one pod as a part.
func partOf(p corev1.Pod, spec Spec, f facts) (actuators.Part, error) {
	ours, err := container(&p.Spec, f.Container)
	if err != nil {
		return actuators.Part{}, err
	}
	f.Pod, f.UID, f.Node = p.Name, p.UID, p.Spec.NodeName
	f.Now, f.QOS = settingsOf(ours.Resources), p.Status.QOSClass
	f.Restarts = restarting(ours)
	f.Others, f.Inits = others(p, ours.Name)
	_, f.Static = p.Annotations[corev1.MirrorPodAnnotationKey]
	f.Windows = p.Spec.OS != nil && p.Spec.OS.Name == corev1.Windows || p.Spec.NodeSelector[corev1.LabelOSStable] == string(corev1.Windows)
	part := actuators.Part{
		ID: string(p.UID), Name: p.Name,
		Configured: policy.Size{}, Effective: policy.Size{}, Raw: actuators.Encode(f),
	}
	for res := range names {
		part.Configured[res] = f.Now[res].quantity(spec.Controls, res)
	}
	status := statusOf(p, ours.Name)
	if status == nil {
		return part, nil
	}
	fill(&part, p, *status)
	if status.Resources != nil {
		shown := settingsOf(*status.Resources)
		for res := range names {
			part.Effective[res] = actuators.Holds(shown[res].quantity(spec.Controls, res))
		}
	}
	return part, nil
}

// fill takes over how the container is.
func fill(part *actuators.Part, p corev1.Pod, s corev1.ContainerStatus) {
	part.Restarts = int64(s.RestartCount)
	part.OOMKilled = s.LastTerminationState.Terminated != nil && s.LastTerminationState.Terminated.Reason == oomKilled ||
		s.State.Terminated != nil && s.State.Terminated.Reason == oomKilled
	if s.State.Running == nil {
		return
	}
	part.Running, part.StartedAt = true, s.State.Running.StartedAt.Time
	switch {
	case ready(p):
		part.Healthy = "healthy"
	case s.Started != nil && !*s.Started:
		part.Healthy = "starting"
	default:
		part.Healthy = "unhealthy"
	}
}

const oomKilled = "OOMKilled"

func statusOf(p corev1.Pod, name string) *corev1.ContainerStatus {
	for i := range p.Status.ContainerStatuses {
		if p.Status.ContainerStatuses[i].Name == name {
			return &p.Status.ContainerStatuses[i]
		}
	}
	return nil
}

// restarting names the resources whose resize restarts the container.
func restarting(c *corev1.Container) map[policy.Resource]bool {
	m := make(map[policy.Resource]bool)
	for _, p := range c.ResizePolicy {
		for res, name := range names {
			if p.ResourceName == name && p.RestartPolicy == corev1.RestartContainer {
				m[res] = true
			}
		}
	}
	return m
}

// others are the settings of the pod's other containers: those that run beside ours, and the init
// containers that ran before.
func others(p corev1.Pod, ours string) (beside, before []settings) {
	for _, c := range p.Spec.Containers {
		if c.Name != ours {
			beside = append(beside, settingsOf(c.Resources))
		}
	}
	for _, c := range p.Spec.InitContainers {
		if c.RestartPolicy != nil && *c.RestartPolicy == corev1.ContainerRestartPolicyAlways {
			beside = append(beside, settingsOf(c.Resources))
			continue
		}
		before = append(before, settingsOf(c.Resources))
	}
	return beside, before
}

// containerID is the runtime's id of the container, without the runtime's name.
func containerID(s corev1.ContainerStatus) string {
	_, id, _ := strings.Cut(s.ContainerID, "://")
	return id
}
