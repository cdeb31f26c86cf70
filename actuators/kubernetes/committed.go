package kubernetes

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"

	"k8s.io/apimachinery/pkg/api/validation"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/engramd/engramd/actuators"
	"github.com/engramd/engramd/policy"
)

// committedPrefix begins the annotation that keeps, on the workload, the size which was committed for
// one of its containers; the container's name follows. So two targets in one workload never write the
// same one.
const committedPrefix = "committed.engramd.io/"

// A committed size, and what the template said when it was committed: once the template says something
// else, the user has chosen, and the commitment is void.
type committed struct {
	Size     setting `json:"size"`
	Template setting `json:"template"`
	// Was is the size committed before this one: a pod that came while the change was watched has it.
	Was *setting `json:"was,omitempty"`
}

// commitments are those of one container, by resource.
type commitments map[policy.Resource]committed

// committedOf reads the annotation. One that makes no sense is as good as none.
func committedOf(w workload, container string) commitments {
	c := make(commitments)
	if json.Unmarshal([]byte(w.meta.Annotations[committedPrefix+container]), &c) != nil {
		return commitments{}
	}
	return c
}

// valid is what of c still stands for the template as it is now.
func (c commitments) valid(template settings) commitments {
	v := maps.Clone(c)
	maps.DeleteFunc(v, func(res policy.Resource, one committed) bool {
		return !template[res].same(res, one.Template) || one.Size.same(res, one.Template)
	})
	return v
}

// Finish notes the committed size on the workload, for the pods that come later. Of a single pod
// there are none.
func (d *Driver) Finish(ctx context.Context, t policy.Target, steps []actuators.Step) error {
	spec, c, err := d.reach(t)
	if err != nil || spec.Self {
		return err
	}
	done, from, err := outcome(steps)
	if err != nil || len(done) == 0 {
		return err
	}
	w, err := c.workload(ctx, spec)
	if errors.Is(err, actuators.ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	if w.ref != from.Workload {
		return nil // another one of its name, which starts from its own template
	}
	template := settingsOfTemplate(w, from.Container)
	next := committedOf(w, from.Container).valid(template)
	for res, one := range done {
		if before, ok := next[res]; ok && !before.Size.same(res, one.Size) {
			one.Was = &before.Size
		} else if ok {
			one.Was = before.Was
		}
		delete(next, res)
		if template[res].same(res, one.Template) && !template[res].same(res, one.Size) {
			next[res] = one
		}
	}
	return c.annotate(ctx, w, from.Container, next)
}

// outcome is what a row of steps leads to, by resource. What a rollout has written into the template
// needs no note.
func outcome(steps []actuators.Step) (done commitments, from template, err error) {
	done = make(commitments)
	for _, s := range steps {
		switch s.Kind {
		case stepResize:
			var r resize
			err = s.Decode(&r)
			from.Workload, from.Container = r.Workload, r.Container
			for res, c := range r.Changes {
				done[res] = committed{Size: c.To, Template: r.Template[res]}
			}
		case stepTemplate:
			err = s.Decode(&from)
			for res, c := range from.Changes {
				done[res] = committed{Size: c.To, Template: c.To}
			}
		}
		if err != nil {
			return nil, from, err
		}
	}
	return done, from, nil
}

// annotate keeps c on the workload, or takes the note away where c is empty.
func (c *cluster) annotate(ctx context.Context, w workload, container string, next commitments) error {
	key := committedPrefix + container
	var value any
	if len(next) > 0 {
		value = string(actuators.Encode(next))
	}
	if was, ok := w.meta.Annotations[key]; ok && was == value || !ok && value == nil {
		return nil
	}
	text, err := json.Marshal(map[string]any{"metadata": map[string]any{
		"uid": w.UID, "annotations": map[string]any{key: value},
	}})
	if err != nil {
		return err
	}
	err = c.patch(ctx, w, types.MergePatchType, text, metav1.PatchOptions{FieldManager: manager})
	if value != nil && errors.Is(err, actuators.ErrRefused) {
		return fmt.Errorf("%w (annotations hold %d bytes in all)", err, validation.TotalAnnotationSizeLimitB)
	}
	return err
}
