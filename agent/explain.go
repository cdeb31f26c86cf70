package agent

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"github.com/engramd/engramd/actuators"
	"github.com/engramd/engramd/agent/api"
	"github.com/engramd/engramd/agent/journal"
)

// Explain tells everything about a decision, by its id, its action's, or the beginning of one.
func (a *Agent) Explain(_ context.Context, id string) (api.Explanation, error) {
	return explain(a.journal, id, a.newest)
}

// ExplainFrom tells the same from the journal in the data_dir of an agent that does not run.
func ExplainFrom(dir, id string) (x api.Explanation, err error) {
	if _, err := os.Stat(filepath.Join(dir, journal.FileName)); err != nil {
		return x, fmt.Errorf("explain from %s: there is no journal of an agent: %w", dir, err)
	}
	j, err := journal.Open(dir, slog.New(slog.DiscardHandler))
	if errors.Is(err, journal.ErrLocked) {
		return x, fmt.Errorf("%w: or leave out the directory and ask the agent that runs", err)
	}
	if err != nil {
		return x, err
	}
	x, err = explain(j, id, func(one actuators.Action) actuators.Action { return one })
	return x, errors.Join(err, j.Close())
}

// explain looks for a decision, then for an action. Of an action that is under way newest knows more than
// the journal.
func explain(j *journal.Journal, id string, newest func(actuators.Action) actuators.Action) (api.Explanation, error) {
	x := api.Explanation{Now: time.Now()}
	d, err := j.Decision(id)
	if errors.Is(err, journal.ErrNotFound) {
		one, actionErr := j.Action(id)
		if actionErr != nil {
			return x, lookup(id, actionErr)
		}
		x.Decision = one.Decision
		if kept, err := j.Decision(one.Decision.ID); err == nil {
			x.Decision = kept
		}
		v := api.ViewAction(newest(one))
		x.Action = &v
		return x, nil
	}
	if err != nil {
		return x, lookup(id, err)
	}
	x.Decision = d
	if d.ActionID != "" {
		if one, err := j.Action(d.ActionID); err == nil {
			v := api.ViewAction(newest(one))
			x.Action = &v
		}
	}
	return x, nil
}

func lookup(id string, err error) error {
	switch {
	case errors.Is(err, journal.ErrNotFound):
		return api.NotFound("nothing has the id %q", id).WithRemedy("engramd decisions lists them")
	case errors.Is(err, journal.ErrAmbiguous):
		return api.Invalid("%v", err).WithRemedy("give more of the id")
	}
	return err
}
