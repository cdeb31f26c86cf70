package docker

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/engramd/engramd/actuators"
)

// backward looks, and refuses to go back where there is no way: the old container was removed, or the
// name is somebody else's by now. Then nothing is touched, so that what runs goes on running.
func (r recreating) backward(ctx context.Context) (scene, error) {
	s, err := r.look(ctx)
	switch {
	case err != nil:
		return s, err
	case s.old == nil:
		return s, fmt.Errorf("%w: the old container of %s (%s) was removed, so there is no way back to it: plan a change to the old size instead",
			actuators.ErrRefused, r.Name, short(r.ID))
	case s.foreign(r):
		return s, fmt.Errorf("%w: %s is another container by now (%s), made after this change: plan a change to the old size instead; the old container is %s",
			actuators.ErrRefused, r.Name, short(s.holder.ID), s.old.name())
	}
	return s, nil
}

// undoStart stops the new container as gently as the old one was.
func (r recreating) undoStart(ctx context.Context) error {
	s, err := r.backward(ctx)
	if err != nil || !s.ours(r) || !s.holder.State.Running {
		return err
	}
	return r.d.stop(ctx, *s.holder, r.StopSeconds)
}

// undoCreate removes the new container.
func (r recreating) undoCreate(ctx context.Context) error {
	s, err := r.backward(ctx)
	if err != nil || !s.ours(r) {
		return err
	}
	return r.d.remove(ctx, s.holder.ID)
}

// undoRename gives the old container its name back. A creation that was answered late may hold the
// name only now.
func (r recreating) undoRename(ctx context.Context) error {
	s, err := r.backward(ctx)
	switch {
	case err != nil:
		return err
	case s.old.name() == r.Name:
		return nil
	case s.ours(r):
		if err := r.d.remove(ctx, s.holder.ID); err != nil {
			return err
		}
	}
	err = r.d.rename(ctx, r.ID, r.Name)
	if err != nil && strings.Contains(err.Error(), "already in use") {
		return fmt.Errorf("%w: %w", actuators.ErrTransient, err)
	}
	return err
}

// undoStop starts the old container, once it has its name back.
func (r recreating) undoStop(ctx context.Context) error {
	s, err := r.backward(ctx)
	switch {
	case err != nil:
		return err
	case s.old.State.Running:
		return nil
	case s.old.name() != r.Name:
		return fmt.Errorf("docker: start %s: it does not have its name back yet", s.old.name())
	}
	return r.d.start(ctx, r.ID)
}

func (r recreating) undoQuiet(ctx context.Context) error {
	s, err := r.backward(ctx)
	if err != nil || s.old.HostConfig.RestartPolicy == r.Restart {
		return err
	}
	return r.d.setRestart(ctx, r.ID, r.Restart)
}

// recreateBack takes a live change back that no update can: it recreates the container at once. It
// goes through the same steps as a planned recreate and may be interrupted and repeated anywhere; if
// it cannot get through, the container is left running as it is.
func (d *Driver) recreateBack(ctx context.Context, dm *daemon, plan recreation) error {
	r := recreating{plan, dm}
	s, err := r.look(ctx)
	switch {
	case err != nil:
		return err
	case s.old == nil && s.holder == nil:
		return fmt.Errorf("%w: %s: nothing is left to give its old size back to", actuators.ErrNotFound, r.Name)
	case s.old == nil || s.foreign(r):
		return nil // done before, or somebody else's container by now
	case s.old.name() == r.Name && r.restored(*s.old):
		return nil // the change was never made
	}
	steps := []func(context.Context) error{r.quiet, r.stop, r.rename, r.create, r.start}
	for _, step := range steps {
		if err = step(ctx); err != nil {
			break
		}
	}
	switch {
	case err == nil:
		return r.finish(ctx)
	case errors.Is(err, actuators.ErrTransient) || ctx.Err() != nil:
		return err // the caller tries again
	}
	backs := []func(context.Context) error{r.undoStart, r.undoCreate, r.undoRename, r.undoStop, r.undoQuiet}
	for _, back := range backs {
		if failed := back(ctx); failed != nil {
			return fmt.Errorf("%w; and the container could not be brought back as it was: %w", err, failed)
		}
	}
	return err
}

// restored reports whether c has the sizes that r is to bring about.
func (r recreation) restored(c container) bool {
	return (r.CPU == nil || *r.CPU == cpuOf(c.HostConfig)) &&
		(r.Memory == nil || r.Memory.quantity() == memoryOf(c.HostConfig).quantity())
}
