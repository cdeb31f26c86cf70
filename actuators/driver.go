package actuators

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"time"

	"github.com/engramd/engramd/policy"
)

// Sentinels that drivers wrap.
var (
	// ErrTransient marks a failure that may go away by itself; it is the only thing retried.
	ErrTransient = errors.New("transient")
	// ErrNotFound says that the target does not exist (now).
	ErrNotFound = errors.New("target not found")
	// ErrRefused says that the platform or a safety rule of the driver does not allow the change,
	// now or later; the text says why and what to do.
	ErrRefused = errors.New("refused")
	// ErrGone says that the part which a step is for does not exist any more while its target does: there
	// is nothing to do or to undo there. See [Reconciler].
	ErrGone = errors.New("the part is gone")
	// ErrHeld says that another agent has the target, ErrLost that it has it by now although it was
	// ours: see [Locker].
	ErrHeld = errors.New("another engramd holds this target")
	ErrLost = errors.New("the lock on the target was lost")
	// ErrUnrecorded says that the platform's lock did not take the record of an open action, which a
	// [Journal] keeps there, too.
	ErrUnrecorded = errors.New("the action cannot be kept beside the target's lock")
)

// A Driver adapts one platform. Retries, journalling, draining, validation and rollback belong to
// [Executor]; a Driver observes, plans and does single steps. Methods may be called concurrently for
// different targets.
type Driver interface {
	// Resources lists what the driver can change.
	Resources() []policy.Resource
	// Observe reports what t has now, configured and effective. It wraps ErrNotFound if t is gone.
	Observe(ctx context.Context, t policy.Target) (State, error)
	// Plan lists the steps that take t from state to size, live if it can. It does no I/O. It wraps
	// ErrRefused where the change is not possible or not safe.
	Plan(t policy.Target, from State, to policy.Size) (Plan, error)
	// Do and Undo carry out one step. Undo is idempotent, and safe after a Do that failed part-way or
	// never ran.
	Do(ctx context.Context, t policy.Target, s Step) error
	Undo(ctx context.Context, t policy.Target, s Step) error
}

// A Plan is how a change would be carried out.
type Plan struct {
	Strategy policy.Strategy `json:"strategy"`
	Steps    []Step          `json:"steps"`
	// Command is the equivalent a person would type, for plans and dry runs.
	Command string `json:"command"`
	// Notes are sentences a person should read before approving.
	Notes []string `json:"notes,omitempty"`
}

// A Step is one change as data, so that it can be journalled before it is done and undone by a
// process that never saw it begin.
type Step struct {
	Kind     string          `json:"kind"`
	Args     json.RawMessage `json:"args"`
	UndoArgs json.RawMessage `json:"undo_args,omitempty"`
	// Irreversible says that it cannot be undone once it was begun, and is only finished forward. Where Do
	// wraps ErrRefused it was not begun.
	Irreversible bool `json:"irreversible,omitempty"`
	// Text says the step in a few words, for traces and people: "update nano_cpus 2e9 -> 4e9".
	Text string `json:"text"`
	// UndoText says its undo, where Text read backwards would mislead.
	UndoText string `json:"undo_text,omitempty"`
}

// undoText says the step's undo.
func (s Step) undoText() string { return cmp.Or(s.UndoText, s.Text) }

// State is what a target has at one instant.
type State struct {
	Parts []Part
	// Paused says who asked on the platform itself that nothing of the target be touched, and why: a
	// label or an annotation. "" is not paused.
	Paused string
}

// A Part is one thing a target consists of: a container, a unit, a pod.
type Part struct {
	ID        string // the platform's own id
	Name      string
	StartedAt time.Time
	// Life is the same for as long as what the part was told holds, where that ends by itself: with the
	// process, or with our being its owner. "" lasts until somebody decides otherwise.
	Life    string
	Running bool
	// Healthy is the platform's own health check: "healthy", "unhealthy", "starting" or "" for none.
	Healthy   string
	Restarts  int64
	OOMKilled bool
	PID       int    // of its first process; 0 if not running or not on this host
	Cgroup    string // its path below the cgroup root, "" if not on this host
	// Configured is what the platform was told, Effective what holds in the cgroup (or the
	// platform's actual status): the effective state decides.
	Configured policy.Size
	Effective  policy.Size
	// Partial are the resources of which Configured is only how much there is to be had, and Effective how
	// much of it the part has taken, such as a file system on a larger disk. What it has taken is its size;
	// that there is more is drift, and no reason to undo anything.
	Partial []policy.Resource
	// Allowed are the processors that the part could have at most, nil where that is not known: of
	// these, Effective holds [policy.CPUs] as unlimited if they are all there.
	Allowed policy.IDs
	// Raw is what the driver needs to plan and to restore, opaque to others.
	Raw json.RawMessage
}
