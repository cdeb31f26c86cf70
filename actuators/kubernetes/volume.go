package kubernetes

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/engramd/engramd/actuators"
	"github.com/engramd/engramd/policy"
)

// A claim is the PersistentVolumeClaim of one pod, as Observe found it.
type claim struct {
	Name string    `json:"name,omitempty"`
	UID  types.UID `json:"uid,omitempty"`
	// Request is what was asked for, Capacity what the volume has.
	Request  policy.Quantity `json:"request"`
	Capacity policy.Quantity `json:"capacity"`
	// Not says why it cannot grow.
	Not string `json:"not,omitempty"`
}

// An expansion is the growth of one claim.
type expansion struct {
	Namespace string    `json:"namespace"`
	Claim     string    `json:"claim"`
	UID       types.UID `json:"uid"`
	From      int64     `json:"from"`
	To        int64     `json:"to"`
}

// wantsStorage reports whether a target is about its volume at all: reading claims and storage classes
// takes rights that others need not grant.
func wantsStorage(t policy.Target, spec Spec) bool { return spec.Volume != "" || t.AllowIrreversible }

// claimOf finds the claim of a pod's volume: the one that was named, or the only one that the container
// mounts. "" is none.
func claimOf(p corev1.Pod, spec Spec, ours string) (name, not string) {
	one, err := container(&p.Spec, ours)
	if err != nil {
		return "", ""
	}
	var found, volumes []string
	for _, v := range p.Spec.Volumes {
		mounted := slices.ContainsFunc(one.VolumeMounts, func(m corev1.VolumeMount) bool { return m.Name == v.Name })
		if v.PersistentVolumeClaim == nil || spec.Volume != "" && v.Name != spec.Volume || spec.Volume == "" && !mounted {
			continue
		}
		found, volumes = append(found, v.PersistentVolumeClaim.ClaimName), append(volumes, v.Name)
	}
	switch {
	case len(found) == 1:
		return found[0], ""
	case len(found) > 1:
		return "", fmt.Sprintf("the container mounts several claims: set volume to one of %q", volumes)
	case spec.Volume != "":
		return "", fmt.Sprintf("pod %s has no volume %s with a claim", p.Name, spec.Volume)
	}
	return "", fmt.Sprintf("the container of pod %s mounts no claim", p.Name)
}

// claim reads the claim of one pod, and whether it can grow. What may not be read is no reason to see
// nothing of the target: it only cannot grow.
func (c *cluster) claim(ctx context.Context, p corev1.Pod, spec Spec, ours string) (claim, error) {
	name, not := claimOf(p, spec, ours)
	if name == "" {
		return claim{Not: not}, nil
	}
	pvc, err := c.api.CoreV1().PersistentVolumeClaims(p.Namespace).Get(ctx, name, metav1.GetOptions{})
	switch {
	case apierrors.IsForbidden(err):
		return claim{Not: fmt.Sprintf("the claim %s cannot be seen: grant engramd get on persistentvolumeclaims", name)}, nil
	case apierrors.IsNotFound(err):
		return claim{Not: fmt.Sprintf("the claim %s does not exist", name)}, nil
	case err != nil:
		return claim{}, fault("read the claim "+name, err)
	}
	one := claim{Name: pvc.Name, UID: pvc.UID, Request: bytesOf(pvc.Spec.Resources.Requests), Capacity: bytesOf(pvc.Status.Capacity)}
	one.Not, err = c.growable(ctx, pvc)
	return one, err
}

func bytesOf(l corev1.ResourceList) policy.Quantity {
	q, ok := l[corev1.ResourceStorage]
	if !ok {
		return policy.Quantity{}
	}
	return policy.Amount(q.Value())
}

// growable says why a claim cannot grow, "" if it can.
func (c *cluster) growable(ctx context.Context, pvc *corev1.PersistentVolumeClaim) (not string, err error) {
	switch class := pvc.Spec.StorageClassName; {
	case pvc.Status.Phase != corev1.ClaimBound:
		return fmt.Sprintf("the claim %s is %s, not Bound", pvc.Name, pvc.Status.Phase), nil
	case class == nil || *class == "":
		return fmt.Sprintf("the claim %s has no StorageClass, and only those of one can grow", pvc.Name), nil
	default:
		return c.classGrows(ctx, *class)
	}
}

func (c *cluster) classGrows(ctx context.Context, name string) (not string, err error) {
	class, err := c.api.StorageV1().StorageClasses().Get(ctx, name, metav1.GetOptions{})
	switch {
	case apierrors.IsForbidden(err):
		return fmt.Sprintf("whether volumes of StorageClass %s can grow cannot be seen: grant engramd get on storageclasses", name), nil
	case apierrors.IsNotFound(err):
		return fmt.Sprintf("there is no StorageClass %s any more", name), nil
	case err != nil:
		return "", fault("read the StorageClass "+name, err)
	case class.AllowVolumeExpansion == nil || !*class.AllowVolumeExpansion:
		return fmt.Sprintf("volumes of StorageClass %s cannot grow (allowVolumeExpansion)", name), nil
	}
	return "", nil
}

// showStorage adds a claim to its part.
func showStorage(part *actuators.Part, c *claim) {
	if c == nil || c.Name == "" {
		return
	}
	part.Configured[policy.Storage] = c.Request
	if !c.Capacity.IsUnset() {
		part.Effective[policy.Storage] = c.Capacity
	}
}

// planExpand plans the growth of every pod's claim; pods that share one have one step.
func planExpand(t policy.Target, parts []pod, to policy.Quantity) (actuators.Plan, error) {
	refuse := func(format string, args ...any) (actuators.Plan, error) {
		return actuators.Plan{}, fmt.Errorf("%w: "+format, append([]any{actuators.ErrRefused}, args...)...)
	}
	n, limited := to.Amount()
	switch {
	case !t.AllowIrreversible:
		return refuse("a volume that has grown cannot shrink again: set allow_irreversible: true to accept that")
	case !limited || n <= 0:
		return refuse("a claim cannot be %s", policy.Storage.Format(to))
	}
	plan := actuators.Plan{Strategy: policy.Live, Notes: []string{"a volume that has grown stays so"}}
	done := make(map[types.UID]bool)
	var lines []string
	for _, f := range parts {
		c := f.Claim
		if c == nil || c.Not != "" {
			return refuse("%s", notGrowing(c, f))
		}
		now, known := c.Request.Amount()
		switch {
		case !known || n < now:
			return refuse("the claim %s asks for %s, and a volume never shrinks", c.Name, policy.Storage.Format(c.Request))
		case n == now || done[c.UID]:
			continue
		}
		done[c.UID] = true
		e := expansion{Namespace: f.Namespace, Claim: c.Name, UID: c.UID, From: now, To: n}
		plan.Steps = append(plan.Steps, actuators.Step{
			Kind: stepExpand, Args: actuators.Encode(e), Irreversible: true,
			Text: fmt.Sprintf("grow claim %s %s -> %s", e.Claim, policy.Storage.Format(c.Request), policy.Storage.Format(to)),
		})
		lines = append(lines, fmt.Sprintf("kubectl -n %s patch pvc %s --patch '%s'", e.Namespace, e.Claim, e.patch()))
	}
	if parts[0].Workload.Kind == kindStatefulSet {
		plan.Notes = append(plan.Notes, "a StatefulSet's claim templates cannot be changed: pods that are added later get a volume of the old size")
	}
	plan.Command = strings.Join(lines, "\n")
	return plan, nil
}

func notGrowing(c *claim, f pod) string {
	if c == nil {
		return fmt.Sprintf("the claim of pod %s was not read", f.Pod)
	}
	return c.Not
}

func (e expansion) patch() []byte {
	text, _ := json.Marshal(map[string]any{ // plain values
		"metadata": map[string]any{"uid": e.UID},
		"spec":     map[string]any{"resources": map[string]any{"requests": map[string]any{"storage": resource.NewQuantity(e.To, resource.BinarySI).String()}}},
	})
	return text
}

// expand asks for more room and waits until the volume has it.
func (d *Driver) expand(ctx context.Context, j job, e expansion) error {
	claims := j.cluster.api.CoreV1().PersistentVolumeClaims(e.Namespace)
	doing := "grow claim " + e.Claim
	began, asked := time.Now(), false
	for {
		pvc, err := claims.Get(ctx, e.Claim, metav1.GetOptions{})
		if err != nil {
			return fault(doing, err)
		}
		if pvc.UID != e.UID {
			return fmt.Errorf("%w: %s: another claim has its name by now", actuators.ErrRefused, doing)
		}
		if n, _ := bytesOf(pvc.Spec.Resources.Requests).Amount(); n < e.To {
			if asked {
				return fmt.Errorf("%w: %s: somebody puts its request back to %s", actuators.ErrRefused, doing, policy.Storage.Format(bytesOf(pvc.Spec.Resources.Requests)))
			}
			asked = true
			if _, err := claims.Patch(ctx, e.Claim, types.MergePatchType, e.patch(), metav1.PatchOptions{FieldManager: manager}); err != nil {
				return fault(doing, err)
			}
			continue
		}
		if n, ok := bytesOf(pvc.Status.Capacity).Amount(); ok && n >= e.To {
			return nil
		}
		waits := fmt.Errorf("%w: %s: the volume has not grown yet%s", actuators.ErrTransient, doing, resizing(pvc))
		if time.Since(began) > lookFor {
			return waits
		}
		if err := sleep(ctx, lookEvery); err != nil {
			return fmt.Errorf("%w: %w", waits, err)
		}
	}
}

// resizing is what the claim says of its growth.
func resizing(pvc *corev1.PersistentVolumeClaim) string {
	var said []string
	for _, c := range pvc.Status.Conditions {
		if c.Status == corev1.ConditionTrue {
			said = append(said, strings.TrimSuffix(fmt.Sprintf("%s: %s", c.Type, c.Message), ": "))
		}
	}
	if len(said) == 0 {
		return " (is there a CSI driver that resizes?)"
	}
	return " (" + strings.Join(said, "; ") + ")"
}

// isGone reports that what a step was about does not exist any more.
func isGone(err error) bool { return errors.Is(err, actuators.ErrNotFound) }
