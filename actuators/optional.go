package actuators

import (
	"context"
	"time"

	"github.com/engramd/engramd/policy"
)

// What a Driver may do beyond [Driver]. The agent asks for each with a type assertion.

// A Finisher is a Driver with something to clean up once an action is committed for good, such as
// the old container that a recreate kept. Finish is idempotent.
type Finisher interface {
	Finish(ctx context.Context, t policy.Target, steps []Step) error
}

// A Keyed driver names its targets across agents: two agents whose targets have the same key on one
// host must not act on it both.
type Keyed interface {
	// Key is stable over restarts of the target, the daemon and the agent.
	Key(ctx context.Context, t policy.Target) (string, error)
}

// A Locker is a Driver whose targets agents on many hosts can reach, so that no file of one host can
// keep two of them apart. It takes the place of [Keyed].
type Locker interface {
	// Lock takes t for holder and returns what the last holder left open. It does not wait: it wraps
	// [ErrHeld] while another agent has t.
	Lock(ctx context.Context, t policy.Target, holder string) (Lock, []Action, error)
}

// A Lock is one target held by this process until Close. Its methods may be called concurrently.
type Lock interface {
	// Check reports whether the target is still ours right now; it wraps [ErrLost] if not.
	Check() error
	// Record keeps an open action where a successor finds it, in place of what was kept of it before,
	// and returns once that will last. Clear forgets it.
	Record(a Action) error
	Clear(id string) error
	Close() error
}

// A Reconciler is a Driver whose targets get new parts by themselves, which do not have the size that
// was committed. Reconcile brings them there, outside cooldown and budget, and says what it did. The
// agent calls it for targets that it holds while no action of theirs is changing them.
//
// Parts of such a target come and go while an action is under way, by a rollout of its user, an
// eviction or a scale-up, and that is no verdict on the action. So, of a live change, only the parts
// that it was planned for are read back, guarded and recovered; when none of them is left, those that
// have the new size by now take their place. This asks of the driver:
//   - Observe leaves out parts that are on their way out or have ended for good;
//   - Do and Undo of a step for a part that is gone either do the same to what came in its place, or
//     wrap [ErrGone] and change nothing. While a change is watched and none of its parts is left, its
//     steps are done once more for those that came instead;
//   - late parts get To at the latest once the change is committed, and undo also takes back every late
//     part that has To by then: no step of the plan names it.
type Reconciler interface {
	Reconcile(ctx context.Context, t policy.Target) (done []string, err error)
}

// A Releaser is a Driver that leaves marks of ours on its platform beside the sizes: annotations, files.
// Release removes them all, once every size was given back. It is idempotent, and called by who holds the
// target's lock, which goes after it.
type Releaser interface {
	Release(ctx context.Context, t policy.Target) error
}

// An Owner is a Driver whose platform does some things by itself that the agent does better, and leaves
// them to it while it owns them. To own lasts a while only, so that the platform does them again when the
// agent is gone.
type Owner interface {
	// Owns lists the resources that are owned together.
	Owns() []policy.Resource
	// Own takes them for holder and as long, or holds them for as long from now. The agent calls it at
	// every turn while it holds t and its policies change any of them by themselves.
	Own(ctx context.Context, t policy.Target, holder string, lasts time.Duration) error
	// Disown gives them back with the sizes that they have, if they are holder's. It is idempotent.
	Disown(ctx context.Context, t policy.Target, holder string) error
}

// A Recorder is a Driver whose platform has a place for events of a target, where its users look.
type Recorder interface {
	RecordEvent(ctx context.Context, t policy.Target, e policy.Event) error
}
