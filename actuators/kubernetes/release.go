package kubernetes

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/engramd/engramd/actuators"
	"github.com/engramd/engramd/policy"
)

var _ actuators.Releaser = (*Driver)(nil)

// Release removes the annotation of the committed size, and the Lease where nobody holds it. One that
// this process holds goes with its Close. What a rollout wrote into the template was given back with
// the size, and Events go by themselves.
func (d *Driver) Release(ctx context.Context, t policy.Target) error {
	spec, c, err := d.reach(t)
	if err != nil {
		return err
	}
	w, err := c.workload(ctx, spec)
	if errors.Is(err, actuators.ErrNotFound) {
		return nil // its Lease went with it
	}
	if err != nil {
		return err
	}
	name := spec.Container // which may not be in the template any more
	if name == "" {
		only, err := container(&w.template.Spec, "")
		if err != nil {
			return err
		}
		name = only.Name
	}
	return errors.Join(c.unannotate(ctx, w, name), d.removeLease(ctx, c, w, name))
}

// unannotate removes what says that a container's size is ours.
func (c *cluster) unannotate(ctx context.Context, w workload, container string) error {
	gone := make(map[string]any)
	for key := range w.meta.Annotations {
		if key == committedPrefix+container {
			gone[key] = nil
		}
	}
	if len(gone) == 0 || w.pod != nil {
		return nil
	}
	text, err := json.Marshal(map[string]any{"metadata": map[string]any{"uid": w.UID, "annotations": gone}})
	if err != nil {
		return err
	}
	return c.patch(ctx, w, types.MergePatchType, text, metav1.PatchOptions{FieldManager: manager})
}

// removeLease removes a Lease that nobody holds.
func (d *Driver) removeLease(ctx context.Context, c *cluster, w workload, container string) error {
	name := leaseName(w.Kind, w.Name, container)
	if d.shared.locks.has(c.host + "/" + w.Namespace + "/" + name) {
		return nil
	}
	api := c.api.CoordinationV1().Leases(w.Namespace)
	l, err := api.Get(ctx, name, metav1.GetOptions{})
	switch {
	case apierrors.IsNotFound(err):
		return nil
	case err != nil:
		return fault("read Lease "+name, err)
	case holderOf(l) != "":
		return fmt.Errorf("%w: Lease %s is held by %s: release the target there, or delete the Lease if that agent is gone", actuators.ErrHeld, name, holderOf(l))
	case hasRecords(l.Annotations):
		return fmt.Errorf("%w: Lease %s holds an open action (%s): let an engramd finish it first", actuators.ErrRefused, name, strings.Join(openOn(l.Annotations), ", "))
	}
	err = api.Delete(ctx, name, metav1.DeleteOptions{Preconditions: &metav1.Preconditions{UID: &l.UID, ResourceVersion: &l.ResourceVersion}})
	if apierrors.IsNotFound(err) {
		return nil
	}
	return fault("delete Lease "+name, err)
}
