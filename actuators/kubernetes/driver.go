package kubernetes

import (
	"context"
	"fmt"
	"log/slog"
	"sync"

	"github.com/engramd/engramd/actuators"
	"github.com/engramd/engramd/policy"
)

// A Driver resizes the pods of workloads. It implements [actuators.Driver], [actuators.Finisher],
// [actuators.Reconciler], [actuators.Locker], [actuators.Releaser] and [actuators.Recorder].
type Driver struct {
	log *slog.Logger

	mu       sync.Mutex
	clusters map[where]*cluster
	// hopeless holds the resizes that the kubelet said it can never make; see [InfeasibleRestart].
	hopeless map[string]map[policy.Resource]hopeless // by target

	shared shared
}

var (
	_ actuators.Driver     = (*Driver)(nil)
	_ actuators.Finisher   = (*Driver)(nil)
	_ actuators.Reconciler = (*Driver)(nil)
)

// New returns a driver. It connects to nothing yet.
func New(log *slog.Logger) *Driver {
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	return &Driver{
		log: log.With("component", platform), clusters: make(map[where]*cluster), hopeless: make(map[string]map[policy.Resource]hopeless),
	}
}

// Close drops idle connections. The driver may be used again.
func (d *Driver) Close() error {
	d.shared.kubelets.close()
	d.mu.Lock()
	defer d.mu.Unlock()
	for w, c := range d.clusters {
		c.close()
		delete(d.clusters, w)
	}
	return nil
}

// Resources lists what the driver can change.
func (d *Driver) Resources() []policy.Resource {
	return []policy.Resource{policy.CPU, policy.Memory, policy.Replicas, policy.Storage}
}

// reach returns t's section, with its namespace filled in, and the client of its cluster.
func (d *Driver) reach(t policy.Target) (Spec, *cluster, error) {
	spec, err := specOf(t)
	if err != nil {
		return Spec{}, nil, err
	}
	w := where{spec.Kubeconfig, spec.Context}
	d.mu.Lock()
	defer d.mu.Unlock()
	c, ok := d.clusters[w]
	if !ok {
		if c, err = connect(w); err != nil {
			return Spec{}, nil, err
		}
		d.clusters[w] = c
	}
	if spec.Namespace == "" {
		spec.Namespace = c.namespace
	}
	return spec, c, nil
}

// The kinds of steps.
const (
	stepResize   = "resize"   // one pod, live or with a restart of its container
	stepTemplate = "template" // our container's resources in the workload's template
	stepRollout  = "rollout"  // wait until so many pods are new and available
	stepScale    = "scale"    // the number of pods
	stepExpand   = "expand"   // one pod's claim
)

// Do carries out one step.
func (d *Driver) Do(ctx context.Context, t policy.Target, s actuators.Step) error {
	switch s.Kind {
	case stepResize:
		return doing(ctx, d, t, s, d.resize)
	case stepTemplate:
		return doing(ctx, d, t, s, d.applyTemplate)
	case stepRollout:
		return doing(ctx, d, t, s, d.awaitRollout)
	case stepScale:
		return doing(ctx, d, t, s, d.scale)
	case stepExpand:
		return doing(ctx, d, t, s, d.expand)
	}
	return s.Unknown()
}

// Undo takes one step back. It may be repeated, and called for a step that failed part-way or never
// ran. A right that is missing now was there when the step was done, so it is waited for.
func (d *Driver) Undo(ctx context.Context, t policy.Target, s actuators.Step) error {
	err := d.undo(ctx, t, s)
	if lacksRight(err) {
		return fmt.Errorf("%w: %w", actuators.ErrTransient, err)
	}
	return err
}

func (d *Driver) undo(ctx context.Context, t policy.Target, s actuators.Step) error {
	switch s.Kind {
	case stepResize:
		return doing(ctx, d, t, s, d.resizeBack)
	case stepTemplate:
		return doing(ctx, d, t, s, d.templateBack)
	case stepRollout:
		return doing(ctx, d, t, s, d.mayRollBack)
	case stepScale:
		return doing(ctx, d, t, s, d.scaleBack)
	case stepExpand:
		return nil // a volume never shrinks
	}
	return s.Unknown()
}

// doing decodes the arguments of a step and hands them, with the cluster, to what carries it out.
func doing[A any](ctx context.Context, d *Driver, t policy.Target, s actuators.Step, carryOut func(context.Context, job, A) error) error {
	var args A
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if err := s.Decode(&args); err != nil {
		return err
	}
	spec, c, err := d.reach(t)
	if err != nil {
		return err
	}
	return carryOut(ctx, job{target: t, spec: spec, cluster: c}, args)
}

// A job is what every step is carried out with.
type job struct {
	target  policy.Target
	spec    Spec
	cluster *cluster
}
