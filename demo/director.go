package demo

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/engramd/engramd/agent/api"
	"github.com/engramd/engramd/demo/show"
)

// A director brings one phase after the other and shows what happens. One goroutine has all of it.
type director struct {
	stage  *stage
	watch  *watcher
	story  []phase
	began  time.Time
	state  show.State
	screen chan<- show.State
	faults chan error // of imports
}

// every is the time between two looks at the agent: as often as it looks at the node.
const every = time.Second

func newDirector(s *stage, screen chan<- show.State) *director {
	d := &director{stage: s, story: story(spreadingCores), began: time.Now(), screen: screen, faults: make(chan error, 1)}
	d.watch = newWatcher(s.agent, s.crowd.served.Load)
	d.state.Where = fmt.Sprintf("node %s, agent 127.0.0.1:%d", s.url, s.place.AgentPort)
	for _, p := range d.story {
		d.state.Phases = append(d.state.Phases, show.Phase{Name: p.name})
	}
	return d
}

// show hands the screen a state of its own.
func (d *director) show(ctx context.Context) {
	d.state.Elapsed = time.Since(d.began)
	s := d.state
	s.Phases = slices.Clone(s.Phases)
	select {
	case d.screen <- s:
	case <-ctx.Done():
	}
}

// direct plays the whole demo. It returns early only if ctx ends or the agent does.
func (d *director) direct(ctx context.Context) error {
	note := func(text string) {
		d.state.Note = text
		d.show(ctx)
	}
	note("Starting an agent with its node ...")
	if err := d.stage.prepare(ctx, note); err != nil {
		return err
	}
	d.story = story(d.stage.cores)
	if err := d.settle(ctx); err != nil {
		return err
	}
	for i, p := range d.story {
		d.state.Phases[i].Stage = show.Running
		note(p.note)
		happened, err := d.play(ctx, p)
		if err != nil {
			return err
		}
		d.state.Phases[i].Stage = show.Done
		if !happened {
			d.state.Phases[i].Stage = show.Failed
		}
		d.show(ctx)
	}
	d.stage.crowd.resize(ctx, 0, 0)
	return nil
}

// settle waits until the agent has seen the node as it is after the preparation, and lets it decide.
func (d *director) settle(ctx context.Context) error {
	for range 10 {
		if err := d.look(ctx); err != nil {
			return err
		}
		quiet := len(d.state.Rows) > 0
		for _, r := range d.state.Rows {
			quiet = quiet && r.Verdict == "none"
		}
		if quiet {
			break
		}
	}
	if err := d.stage.agent.Resume(ctx, api.TargetRequest{}); err != nil {
		return fmt.Errorf("let the agent decide: %w", err)
	}
	return nil
}

// play brings the load of one phase and waits until what it is for has happened, or its time is over.
func (d *director) play(ctx context.Context, p phase) (bool, error) {
	ends := time.Now().Add(p.lasts)
	d.stage.crowd.resize(ctx, p.clients, p.pause)
	if p.fresh > 0 {
		defer d.spike(ctx, p.fresh)()
	}
	for {
		if err := d.look(ctx); err != nil {
			return false, err
		}
		if p.until != nil && p.until.in(d.watch.actions) != nil {
			return true, nil
		}
		if time.Now().After(ends) {
			return p.until == nil, nil
		}
	}
}

// spike imports fresh memories beside the phase, until the phase is over and calls what it returns.
func (d *director) spike(ctx context.Context, fresh int) (end func()) {
	ctx, cancel := context.WithCancel(ctx)
	var beside sync.WaitGroup
	beside.Go(func() {
		if err := d.stage.crowd.spike(ctx, fresh); err != nil && ctx.Err() == nil {
			d.faults <- err
		}
	})
	return func() {
		cancel()
		beside.Wait()
	}
}

// look waits for its turn, looks at the agent, and shows what there is.
func (d *director) look(ctx context.Context) error {
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-d.stage.ended:
		return errEnded
	case err := <-d.faults:
		return err
	case <-time.After(every):
	}
	if err := d.watch.look(ctx, time.Now(), &d.state); err != nil {
		return err
	}
	if err := d.stage.crowd.fault(); err != nil && d.state.Trouble == "" {
		d.state.Trouble = "a client was refused: " + err.Error()
	}
	d.show(ctx)
	return nil
}

// in returns the first action that is the outcome.
func (o *outcome) in(actions []api.ActionView) *api.ActionView {
	for _, a := range actions {
		if o.resource(a.Resource) && a.State == o.state && (o != takenBack || a.Diagnosis != "") {
			return &a
		}
	}
	return nil
}
