package kubernetes

import (
	"context"
	"encoding/json"

	"slices"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
)

// returnFields gives each field back to the manager that had it before us. The values were restored in
// the name of one of them, to whom all belong since; where limit and request had different managers,
// the account of that is put right.
func (j job) returnFields(ctx context.Context, w workload, t template) (workload, error) {
	now := ownersOf(w.meta.ManagedFields, t.Container)
	entries, moved := slices.Clone(w.meta.ManagedFields), false
	for _, o := range t.Owners {
		if o.Applies || o.among(now) {
			continue
		}
		i := slices.IndexFunc(now, func(h owner) bool {
			return h.Resource == o.Resource && h.Limit == o.Limit && !h.Applies && !h.among(t.Owners)
		})
		if i < 0 {
			continue
		}
		entries, moved = reassign(entries, t.Container, now[i], o.Manager), true
	}
	if !moved {
		return w, nil
	}
	patch := map[string]any{"metadata": map[string]any{
		"uid": w.UID, "resourceVersion": w.meta.ResourceVersion, "managedFields": entries,
	}}
	text, err := json.Marshal(patch)
	if err != nil {
		return w, err
	}
	if err := j.cluster.patch(ctx, w, types.MergePatchType, text, metav1.PatchOptions{FieldManager: manager}); err != nil {
		return w, err
	}
	return j.workload(ctx, t.Workload)
}

// among reports whether owners have o, whatever else of the list belongs to it.
func (o owner) among(owners []owner) bool {
	return slices.ContainsFunc(owners, func(h owner) bool { h.Whole = o.Whole; return h == o })
}

// reassign moves one field from the manager that has it to another.
func reassign(entries []metav1.ManagedFieldsEntry, container string, had owner, to string) []metav1.ManagedFieldsEntry {
	of := "f:requests"
	if had.Limit {
		of = "f:limits"
	}
	path := []string{"f:spec", "f:template", "f:spec", "f:containers", key(container), "f:resources", of, "f:" + string(names[had.Resource])}
	next := slices.Clone(entries)
	from, into := writer(next, had.Manager), writer(next, to)
	if from < 0 {
		return entries
	}
	if into < 0 {
		next, into = append(next, next[from]), len(next)
		next[into].Manager, next[into].FieldsV1 = to, metav1.NewFieldsV1("{}")
	}
	next[from].FieldsV1 = without(next[from].FieldsV1, path)
	next[into].FieldsV1 = with(next[into].FieldsV1, path)
	return next
}

// writer finds the entry of a manager that writes, and does not apply.
func writer(entries []metav1.ManagedFieldsEntry, manager string) int {
	return slices.IndexFunc(entries, func(e metav1.ManagedFieldsEntry) bool {
		return e.Manager == manager && e.Operation == metav1.ManagedFieldsOperationUpdate && e.Subresource == "" && e.FieldsV1 != nil
	})
}

func with(f *metav1.FieldsV1, path []string) *metav1.FieldsV1 { return edit(f, path, true) }

func without(f *metav1.FieldsV1, path []string) *metav1.FieldsV1 { return edit(f, path, false) }

// edit adds a path to a set of fields, or takes it out.
func edit(f *metav1.FieldsV1, path []string, add bool) *metav1.FieldsV1 {
	var root map[string]any
	if json.Unmarshal(f.GetRawBytes(), &root) != nil {
		return f
	}
	at, last := root, path[len(path)-1]
	above := []map[string]any{root}
	for _, k := range path[:len(path)-1] {
		below, ok := at[k].(map[string]any)
		if !ok {
			below = make(map[string]any)
			at[k] = below
		}
		at, above = below, append(above, below)
	}
	if add {
		at[last] = map[string]any{}
	}
	for i := len(path) - 1; !add && i >= 0; i-- { // and what is empty without it
		if below, ok := above[i][path[i]].(map[string]any); ok && len(below) == 0 {
			delete(above[i], path[i])
		}
	}
	text, err := json.Marshal(root)
	if err != nil {
		return f
	}
	return metav1.NewFieldsV1(string(text))
}
