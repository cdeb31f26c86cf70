package systemd

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/engramd/engramd/actuators"
	"github.com/engramd/engramd/policy"
)

// An instance is one run of a unit, from a start to its end.
type instance struct {
	Unit       string `json:"unit"`
	User       bool   `json:"user,omitempty"`
	Invocation string `json:"invocation"`
	// StopMillis is how long it may take to end by itself before it is killed; 0 leaves that to systemd.
	StopMillis int64 `json:"stop_ms,omitempty"`
}

// planRestart lists the steps of a restart.
func (p *planner) planRestart() (actuators.Plan, error) {
	f := p.facts
	refuse := func(format string, args ...any) error {
		return fmt.Errorf("%w: %s would have to be restarted (%s): %s", actuators.ErrRefused, f.Unit,
			strings.Join(p.restart, "; "), fmt.Sprintf(format, args...))
	}
	switch {
	case kindOf(f.Unit) != "service":
		return actuators.Plan{}, refuse("a %s cannot be restarted as one: restart its services", kindOf(f.Unit))
	case f.Transient:
		return actuators.Plan{}, refuse("it is transient, and gone once it stops: give it a unit file")
	case f.Self:
		return actuators.Plan{}, refuse("engramd itself runs in it, and would not live to see the end of it")
	case !f.Startable:
		return actuators.Plan{}, refuse("its unit file does not allow that (RefuseManualStart, RefuseManualStop)")
	case f.Invocation == "":
		return actuators.Plan{}, refuse("systemd tells no invocation id, by which a restart could be seen")
	}
	i := instance{Unit: f.Unit, User: f.User, Invocation: f.Invocation, StopMillis: p.target.StopTimeout.Milliseconds()}
	if i.StopMillis > f.StopWithin && f.StopWithin > 0 {
		p.note("%s is killed by systemd after its TimeoutStopSec of %s, before the stop timeout of %s", f.Unit,
			policy.FormatDuration(time.Duration(f.StopWithin)*time.Millisecond), policy.FormatDuration(p.target.StopTimeout))
	}
	p.note("restarted because %s", strings.Join(p.restart, "; "))
	steps := []actuators.Step{{
		Kind: kindInstance, Args: actuators.Encode(i), Text: "note which instance of " + f.Unit + " runs",
		UndoText: "restart " + f.Unit + " with its old size, if it was restarted",
	}}
	for n, s := range p.steps {
		p.changes[n].Stop = true
		s.Args = actuators.Encode(p.changes[n])
		steps = append(steps, s)
	}
	steps = append(steps, actuators.Step{
		Kind: kindRestart, Args: actuators.Encode(i), Text: "restart " + f.Unit,
		UndoText: "leave " + f.Unit + " until its size is back",
	})
	return p.plan(policy.Restart, steps), nil
}

// check finds the instance that the restart was planned for, or what it became since.
func (d *Driver) check(ctx context.Context, m *manager, i instance) error {
	u, err := m.unit(ctx, i.Unit)
	if err == nil {
		err = u.usable()
	}
	return err
}

// restart restarts the unit, unless that was done already.
func (d *Driver) restart(ctx context.Context, m *manager, i instance) error {
	u, err := m.unit(ctx, i.Unit)
	if err == nil {
		err = u.usable()
	}
	if err != nil || u.running() && u.Invocation != i.Invocation {
		return err
	}
	return d.run(ctx, m, "restart", i)
}

// restartBack brings the unit up with the size that it has by now, unless it is the instance that was
// never restarted.
func (d *Driver) restartBack(ctx context.Context, m *manager, i instance) error {
	u, err := m.unit(ctx, i.Unit)
	if err == nil {
		err = u.usable()
	}
	if err != nil || u.running() && u.Invocation == i.Invocation {
		return err
	}
	if u.Active == "failed" { // it may have failed too often to be started once more
		err := m.call(ctx, "forget that "+i.Unit+" failed", changeTimeout, func(ctx context.Context, b bus) error { return b.ResetFailed(ctx, i.Unit) })
		if err != nil {
			return err
		}
	}
	return d.run(ctx, m, "restart", i)
}

// stopFirst stops a unit whose memory does not fit a lower limit: it is restarted anyway, and it would
// be killed otherwise. Units that are stopped along with it would stay down.
func (r *resizing) stopFirst(ctx context.Context, u unit, why error) error {
	all, err := r.m.units(ctx)
	if err != nil {
		return err
	}
	for _, s := range all {
		if slices.Contains(u.Dependents, s.Name) && (s.ActiveState == "active" || s.ActiveState == "reloading" || s.ActiveState == "activating") {
			return fmt.Errorf("%w; and it cannot be stopped first, because %s would stop with it and stay down", why, s.Name)
		}
	}
	return r.run(ctx, r.m, "stop", instance{Unit: u.Name, User: r.m.user})
}

// jobEvery is how often a job is looked at. Its result is told by a signal, and if that was lost with
// the connection, the unit's state has to do: unseen stands for the result then.
const (
	jobEvery = time.Second
	unseen   = "done, or nobody saw how"
)

// run starts a job and waits for its end. A process that does not end in time is killed.
func (d *Driver) run(ctx context.Context, m *manager, job string, i instance) error {
	began := time.Now()
	done := make(chan string, 1)
	err := m.call(ctx, job+" "+i.Unit, changeTimeout, func(ctx context.Context, b bus) error { return b.Run(ctx, job, i.Unit, done) })
	if err != nil {
		return err
	}
	tick := time.NewTicker(jobEvery)
	defer tick.Stop()
	for killed, over := false, false; ; {
		select {
		case result := <-done:
			return d.outcome(ctx, m, job, i, result, began)
		case <-ctx.Done():
			return fault("wait for the end of "+job+" "+i.Unit, context.Cause(ctx))
		case <-tick.C:
		}
		u, err := m.unit(ctx, i.Unit)
		if err != nil {
			return err
		}
		if over {
			return d.outcome(ctx, m, job, i, unseen, began)
		}
		over = u.Job == 0
		if i.StopMillis > 0 && !killed && u.Active == "deactivating" && time.Since(began).Milliseconds() > i.StopMillis {
			killed = true
			d.log.Info("unit killed, because it did not stop in time", "unit", i.Unit)
			err = m.call(ctx, "kill "+i.Unit, changeTimeout, func(ctx context.Context, b bus) error { return b.Kill(ctx, i.Unit, 9) })
			if err != nil {
				return err
			}
		}
	}
}

// outcome says what came of a job.
func (d *Driver) outcome(ctx context.Context, m *manager, job string, i instance, result string, began time.Time) error {
	u, err := m.unit(ctx, i.Unit)
	if err != nil {
		return err
	}
	switch {
	case result == "done" && (job == "stop" || u.Active != "failed"):
		return nil
	case result == unseen && u.running() == (job != "stop"):
		return nil
	}
	why := fmt.Sprintf("%s of %s: the job ended as %s, and the unit is %s (%s)", job, i.Unit, result, u.Active, u.Sub)
	if u.Result != "" && u.Result != "success" {
		why += ", " + u.Result
	}
	if u.ExitStatus != 0 {
		why += fmt.Sprintf(", exit status %d", u.ExitStatus)
	}
	if result == "canceled" { // somebody else's job took its place
		return fmt.Errorf("%w: %s", actuators.ErrTransient, why)
	}
	return fmt.Errorf("%s%s", why, lastLines(ctx, i, began))
}
