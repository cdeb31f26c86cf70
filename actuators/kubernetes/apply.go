package kubernetes

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/engramd/engramd/policy"
)

// applied is what one manager applies to a template: settings by container. An apply says all that the
// manager wants to have: what it leaves out and nobody else has is removed.
type applied map[string]settings

// appliedBy is what manager applies to w now.
func appliedBy(w workload, manager string) applied {
	all := make(applied)
	for _, c := range w.template.Spec.Containers {
		now := settingsOf(c.Resources)
		for _, o := range ownersOf(w.meta.ManagedFields, c.Name) {
			if !o.Applies || o.Manager != manager {
				continue
			}
			all.put(c.Name, o, now)
		}
	}
	return all
}

// put adds one field with the value that it has in from.
func (a applied) put(container string, o owner, from settings) {
	if a[container] == nil {
		a[container] = make(settings)
	}
	s := a[container][o.Resource]
	if o.Limit {
		s.Limit = from[o.Resource].Limit
	} else {
		s.Request = from[o.Resource].Request
	}
	a[container][o.Resource] = s
}

// with is a with the changes of one container.
func (a applied) with(container string, c changes) applied {
	next := maps.Clone(a)
	next[container] = maps.Clone(a[container])
	if next[container] == nil {
		next[container] = make(settings)
	}
	for res, one := range c {
		next[container][res] = one.To
	}
	return next
}

// without is a without the resources of the changes, but for what owners had before us.
func (a applied) without(container string, c changes, owners []owner) applied {
	next := maps.Clone(a)
	ours := maps.Clone(a[container])
	maps.DeleteFunc(ours, func(res policy.Resource, _ setting) bool { _, changed := c[res]; return changed })
	delete(next, container)
	if len(ours) > 0 {
		next[container] = ours
	}
	back := make(settings)
	for res, one := range c {
		back[res] = one.To
	}
	for _, o := range owners {
		if _, changed := c[o.Resource]; changed && o.Applies && o.Manager == manager {
			next.put(container, o, back)
		}
	}
	return next
}

// tree is what an apply of a sends.
func (a applied) tree(w workload) map[string]any {
	o := map[string]any{
		"apiVersion": "apps/v1", "kind": w.Kind,
		"metadata": map[string]any{"name": w.Name, "namespace": w.Namespace, "uid": w.UID, "resourceVersion": w.meta.ResourceVersion},
	}
	var containers []any
	for _, name := range slices.Sorted(maps.Keys(a)) {
		all := make(changes)
		for res, s := range a[name] {
			all[res] = change{To: s}
		}
		containers = append(containers, map[string]any{"name": name, "resources": all.tree()})
	}
	if len(containers) > 0 {
		o["spec"] = map[string]any{"template": map[string]any{"spec": map[string]any{"containers": containers}}}
	}
	return o
}

// apply makes a the fields that we apply to w, unless w has changed since it was read. Force takes the
// fields from who merely wrote them once; who applies them is refused before.
func (c *cluster) apply(ctx context.Context, w workload, a applied) error {
	text, err := json.Marshal(a.tree(w))
	if err != nil {
		return err
	}
	force := true
	return c.patch(ctx, w, types.ApplyPatchType, text, metav1.PatchOptions{FieldManager: manager, Force: &force})
}

// patch changes a workload.
func (c *cluster) patch(ctx context.Context, w workload, kind types.PatchType, text []byte, opts metav1.PatchOptions) error {
	var err error
	switch apps := c.api.AppsV1(); w.Kind {
	case kindDeployment:
		_, err = apps.Deployments(w.Namespace).Patch(ctx, w.Name, kind, text, opts)
	case kindStatefulSet:
		_, err = apps.StatefulSets(w.Namespace).Patch(ctx, w.Name, kind, text, opts)
	case kindDaemonSet:
		_, err = apps.DaemonSets(w.Namespace).Patch(ctx, w.Name, kind, text, opts)
	default:
		return errors.New("kubernetes: a pod has no template")
	}
	return fault(fmt.Sprintf("patch %s as %s", w.ref, strings.Trim(opts.FieldManager, `"`)), err)
}
