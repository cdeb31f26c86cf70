package docker

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"

	cerrdefs "github.com/containerd/errdefs"

	"github.com/engramd/engramd/actuators"
)

// keptInfix makes the name of an old container: engram.engramd-4f5e6a7b8c9d.
const keptInfix = ".engramd-"

func keptName(name, id string) string { return name + keptInfix + id[:min(12, len(id))] }

// A recreation is what each step of a recreate knows, done by whoever finds it in the journal. It
// holds no configuration: that is read from the old container, which is kept.
type recreation struct {
	ID          string            `json:"id"` // of the old container
	Name        string            `json:"name"`
	Kept        string            `json:"kept"` // the old container's name from the rename on
	Image       string            `json:"image"`
	CPU         *cpuSetting       `json:"cpu,omitempty"` // nil: as it was
	Memory      *memorySetting    `json:"memory,omitempty"`
	Cpuset      *cpuset           `json:"cpuset,omitempty"`
	Restart     restartPolicy     `json:"restart"` // as it was
	StopSeconds *int              `json:"stop_seconds,omitempty"`
	MACs        map[string]string `json:"macs,omitempty"`
}

func (r recreation) sizes() string {
	var sizes []string
	if r.CPU != nil {
		sizes = append(sizes, r.CPU.String())
	}
	if r.Memory != nil {
		sizes = append(sizes, r.Memory.String())
	}
	if r.Cpuset != nil {
		sizes = append(sizes, "cpuset "+r.Cpuset.String())
	}
	return strings.Join(sizes, " and ")
}

// A recreating is a recreation on its daemon.
type recreating struct {
	recreation
	d *daemon
}

func recreationOf(d *daemon, s actuators.Step) (recreating, error) {
	r := recreating{d: d}
	if err := s.Decode(&r.recreation); err != nil {
		return r, err
	}
	if len(r.ID) < 12 || r.Name == "" || r.Kept == "" {
		return r, fmt.Errorf("docker: the journalled step %s lacks the container's id or name", s.Kind)
	}
	return r, nil
}

// A scene is where a recreate stands, as the daemon shows it.
type scene struct {
	old    *container // nil: it is gone
	holder *container // who has the name; nil: nobody
}

// ours reports whether the container with the name is the one this recreate made.
func (s scene) ours(r recreating) bool {
	return s.holder != nil && s.holder.Config.Labels[LabelFrom] == r.ID
}

// foreign reports whether somebody else's container has the name.
func (s scene) foreign(r recreating) bool {
	return s.holder != nil && s.holder.ID != r.ID && !s.ours(r)
}

func (r recreating) look(ctx context.Context) (scene, error) {
	old, err := r.find(r.d.inspect(ctx, r.ID))
	if err != nil {
		return scene{}, err
	}
	holder, err := r.find(r.d.named(ctx, r.Name))
	return scene{old, holder}, err
}

// find turns the fault that there is no such container into none.
func (r recreating) find(c container, err error) (*container, error) {
	switch {
	case errors.Is(err, errNoContainer):
		return nil, nil
	case err != nil:
		return nil, err
	}
	return &c, nil
}

// forward looks, and refuses to go on where the old container is gone or the name is somebody
// else's.
func (r recreating) forward(ctx context.Context) (scene, error) {
	s, err := r.look(ctx)
	switch {
	case err != nil:
		return s, err
	case s.old == nil:
		return s, fmt.Errorf("%w: the container %s that was planned for is gone: decide again", actuators.ErrRefused, short(r.ID))
	case s.foreign(r):
		return s, fmt.Errorf("%w: somebody made another container called %s meanwhile (%s): decide again", actuators.ErrRefused, r.Name, short(s.holder.ID))
	}
	return s, nil
}

// quiet keeps the old container down: with a restart policy it would come back with the daemon, as a
// second writer.
func (r recreating) quiet(ctx context.Context) error {
	s, err := r.forward(ctx)
	if err != nil || s.old.HostConfig.RestartPolicy.none() {
		return err
	}
	return r.d.setRestart(ctx, r.ID, restartPolicy{Name: "no"})
}

func (r recreating) stop(ctx context.Context) error {
	s, err := r.forward(ctx)
	if err != nil || !s.old.State.Running {
		return err
	}
	return r.d.stop(ctx, *s.old, r.StopSeconds)
}

func (r recreating) rename(ctx context.Context) error {
	s, err := r.forward(ctx)
	if err != nil || s.old.name() == r.Kept {
		return err
	}
	return r.d.rename(ctx, r.ID, r.Kept)
}

// create makes the new container and joins it to all networks of the old one. Done again, it goes on
// where it stopped.
func (r recreating) create(ctx context.Context) error {
	s, err := r.forward(ctx)
	if err != nil {
		return err
	}
	if s.old.name() == r.Name {
		return fmt.Errorf("docker: create %s: the old container still has the name", r.Name)
	}
	if s.holder == nil {
		if s.holder, err = r.createNew(ctx, *s.old); err != nil {
			return err
		}
	}
	return r.connect(ctx, *s.old, *s.holder)
}

func (r recreating) createNew(ctx context.Context, old container) (*container, error) {
	image, err := r.imageEntrypoint(ctx, old)
	if err != nil {
		return nil, err
	}
	doing := "create container " + r.Name
	conflict := false
	err = r.d.call(ctx, doing, changeTimeout, func(ctx context.Context) error {
		body, err := r.body(old, r.d.api.ClientVersion(), image)
		if err != nil {
			return err
		}
		_, err = r.d.exchange(ctx, http.MethodPost, "/containers/create", url.Values{"name": {r.Name}}, body)
		conflict = cerrdefs.IsConflict(err)
		return err
	})
	switch {
	case conflict: // an earlier try of ours may have been answered late, or be under way
	case errors.Is(err, actuators.ErrNotFound):
		return nil, fmt.Errorf("%w: %w", actuators.ErrRefused, err)
	case err != nil:
		return nil, err
	}
	s, lookErr := r.forward(ctx)
	switch {
	case lookErr != nil:
		return nil, lookErr
	case s.holder != nil:
		return s.holder, nil
	case conflict:
		return nil, fmt.Errorf("%w: %w", actuators.ErrTransient, err)
	}
	return nil, fmt.Errorf("%w: %s: the daemon says it was created, and does not show it", actuators.ErrTransient, doing)
}

// imageEntrypoint reads the image's entrypoint where it matters: for a container that has none.
func (r recreating) imageEntrypoint(ctx context.Context, old container) ([]string, error) {
	if len(old.Config.Entrypoint) > 0 {
		return nil, nil
	}
	var entrypoint []string
	err := r.d.call(ctx, "inspect image "+shortImage(r.Image), readTimeout, func(ctx context.Context) error {
		text, err := r.d.exchange(ctx, http.MethodGet, "/images/"+r.Image+"/json", nil, nil)
		if err != nil {
			return err
		}
		var doc struct{ Config struct{ Entrypoint []string } }
		err = json.Unmarshal(text, &doc)
		entrypoint = doc.Config.Entrypoint
		return err
	})
	if errors.Is(err, actuators.ErrNotFound) {
		return nil, fmt.Errorf("%w: the image that the container was made from is gone: %w", actuators.ErrRefused, err)
	}
	return entrypoint, err
}

// connect joins the networks that the creation did not: before API 1.44 it takes one. A container
// that was not started yet is reachable nowhere, so nobody sees it half-joined.
func (r recreating) connect(ctx context.Context, old, made container) error {
	endpoints := old.endpoints(r.MACs)
	for _, name := range slices.Sorted(maps.Keys(endpoints)) {
		if _, joined := made.Network.Networks[name]; joined {
			continue
		}
		err := r.d.call(ctx, "join network "+name, changeTimeout, func(ctx context.Context) error {
			_, err := r.d.exchange(ctx, http.MethodPost, "/networks/"+url.PathEscape(name)+"/connect", nil,
				map[string]any{"Container": made.ID, "EndpointConfig": endpoints[name]})
			if err != nil && strings.Contains(err.Error(), "already exists in network") {
				return nil
			}
			return err
		})
		if errors.Is(err, actuators.ErrNotFound) {
			return fmt.Errorf("%w: %w", actuators.ErrRefused, err)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// start starts the new container. If somebody started the old one meanwhile, it is stopped first.
func (r recreating) start(ctx context.Context) error {
	s, err := r.forward(ctx)
	if err != nil {
		return err
	}
	if !s.ours(r) {
		return fmt.Errorf("docker: start %s: the new container is gone", r.Name)
	}
	if s.old.State.Running {
		if err := r.d.stop(ctx, *s.old, r.StopSeconds); err != nil {
			return err
		}
	}
	if s.holder.State.Running {
		return nil
	}
	return r.d.start(ctx, s.holder.ID)
}

// finish removes the old container, without its volumes, once another one has its name.
func (r recreating) finish(ctx context.Context) error {
	s, err := r.look(ctx)
	switch {
	case err != nil:
		return err
	case s.old == nil || s.old.name() != r.Kept:
		return nil // done before, or taken back
	case s.holder == nil:
		return fmt.Errorf("%w: %s is kept, since no container is called %s: start it or remove it by hand", actuators.ErrRefused, r.Kept, r.Name)
	case s.old.State.Running:
		return fmt.Errorf("%w: %s is kept, since somebody started it: stop one of the two by hand", actuators.ErrRefused, r.Kept)
	}
	return r.d.remove(ctx, r.ID)
}
