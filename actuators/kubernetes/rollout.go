package kubernetes

import (
	"fmt"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
)

// A rollout is how far a workload has brought its template to its pods.
type rollout struct {
	wanted    int // pods
	total     int // pods of any revision
	updated   int // pods of the newest
	available int // pods of the newest that are available, at least
	seen      bool
	settled   bool   // all of the newest, and no other
	failed    string // the platform gave up, and why
	blocked   string // why no pod could be made just now
	manual    string // why it never rolls out by itself
	revision  string // of StatefulSets and DaemonSets: the label of new pods, if known
	ordered   bool   // a StatefulSet that waits for each pod
}

func (r rollout) String() string {
	said := fmt.Sprintf("%d of %d pods are new, %d of them available", r.updated, r.wanted, r.available)
	if r.blocked != "" {
		said += ": " + r.blocked
	}
	return said
}

// mixed reports that pods of two templates may be running, or some are missing. Whether they are well
// is another matter: a pod that is sick of its size must be resizable.
func (r rollout) mixed() bool {
	return !r.seen || r.updated < r.wanted || r.total > max(r.updated, r.wanted)
}

func deploymentRollout(o *appsv1.Deployment) rollout {
	s := o.Status
	r := rollout{
		wanted: replicas(o.Spec.Replicas), total: int(s.Replicas), updated: int(s.UpdatedReplicas),
		available: newAndAvailable(s.Replicas, s.UpdatedReplicas, s.AvailableReplicas), seen: s.ObservedGeneration >= o.Generation,
	}
	r.settled = r.seen && r.updated >= r.wanted && r.total <= r.updated && int(s.AvailableReplicas) >= r.updated
	if o.Spec.Paused {
		r.manual = "the Deployment is paused (kubectl rollout resume)"
	}
	for _, c := range s.Conditions {
		if c.Type == appsv1.DeploymentReplicaFailure && c.Status == corev1.ConditionTrue {
			r.blocked = c.Message
		}
		if r.seen && c.Type == appsv1.DeploymentProgressing && c.Reason == "ProgressDeadlineExceeded" {
			r.failed = c.Message
		}
	}
	return r
}

func statefulSetRollout(o *appsv1.StatefulSet) rollout {
	s := o.Status
	r := rollout{
		wanted: replicas(o.Spec.Replicas), total: int(s.Replicas), updated: int(s.UpdatedReplicas),
		available: newAndAvailable(s.Replicas, s.UpdatedReplicas, s.AvailableReplicas), seen: s.ObservedGeneration >= o.Generation,
		revision: s.UpdateRevision, ordered: o.Spec.PodManagementPolicy != appsv1.ParallelPodManagement,
	}
	r.settled = r.seen && r.updated >= r.wanted && r.total <= r.updated && int(s.ReadyReplicas) >= r.wanted && r.available >= r.wanted
	if u := o.Spec.UpdateStrategy; u.Type == appsv1.OnDeleteStatefulSetStrategyType {
		r.manual = "its updateStrategy is OnDelete, so nothing replaces its pods"
	} else if u.RollingUpdate != nil && u.RollingUpdate.Partition != nil && *u.RollingUpdate.Partition > 0 {
		r.manual = fmt.Sprintf("its updateStrategy holds pods below ordinal %d at the old template", *u.RollingUpdate.Partition)
	}
	return r
}

func daemonSetRollout(o *appsv1.DaemonSet) rollout {
	s := o.Status
	r := rollout{
		wanted: int(s.DesiredNumberScheduled), total: int(s.CurrentNumberScheduled), updated: int(s.UpdatedNumberScheduled),
		available: newAndAvailable(s.CurrentNumberScheduled, s.UpdatedNumberScheduled, s.NumberAvailable), seen: s.ObservedGeneration >= o.Generation,
	}
	r.settled = r.seen && r.updated >= r.wanted && int(s.NumberAvailable) >= r.wanted
	if o.Spec.UpdateStrategy.Type == appsv1.OnDeleteDaemonSetStrategyType {
		r.manual = "its updateStrategy is OnDelete, so nothing replaces its pods"
	}
	return r
}

// newAndAvailable counts the new pods that are surely available: the status does not tell them from the
// old ones, so all of those may be.
func newAndAvailable(total, updated, available int32) int {
	return int(max(0, available-max(0, total-updated)))
}

// replicas is what a missing count means.
func replicas(n *int32) int {
	if n == nil {
		return 1
	}
	return int(*n)
}

// ready reports a pod's own readiness, as the platform's health check.
func ready(p corev1.Pod) bool {
	for _, c := range p.Status.Conditions {
		if c.Type == corev1.PodReady {
			return c.Status == corev1.ConditionTrue
		}
	}
	return false
}
