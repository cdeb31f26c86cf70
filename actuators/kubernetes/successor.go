package kubernetes

import (
	"context"
	"errors"
	"fmt"

	"github.com/engramd/engramd/actuators"
)

// resizeSuccessors gives the size to the pods which came in the place of one that is gone: they have
// what the template says, or what the one before them had. Pods of other steps, which get the size
// anyway, may get it here.
func (d *Driver) resizeSuccessors(ctx context.Context, j job, r resize) error {
	w, err := j.workload(ctx, r.Workload)
	if errors.Is(err, actuators.ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	pods, err := j.cluster.pods(ctx, w)
	if err != nil {
		return err
	}
	for _, p := range pods {
		now, err := settingsIn(p, r.Container)
		if err != nil {
			return err
		}
		if !now.have(r.Changes) && !r.before(now) {
			continue // somebody else's choice
		}
		if !running(p, r.Container) {
			return fmt.Errorf("%w: pod %s has come in the place of one that is gone, and does not run yet", actuators.ErrTransient, p.Name)
		}
		next := r
		next.Pod, next.UID = p.Name, p.UID
		if err := d.settle(ctx, j, p, next); err != nil && !errors.Is(err, errReplaced) {
			return err
		}
	}
	return nil
}

// before reports whether a container has what it had before, or what the template says.
func (r resize) before(now settings) bool {
	for res, c := range r.Changes {
		if !now[res].same(res, c.From) && !now[res].same(res, r.Template[res]) {
			return false
		}
	}
	return true
}
