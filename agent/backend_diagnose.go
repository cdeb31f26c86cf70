package agent

import (
	"context"
	"sync"
	"time"

	"github.com/engramd/engramd/agent/api"
	"github.com/engramd/engramd/agent/diagnosis"
)

// diagnoseAtMost is how far back the collectors remember.
const diagnoseAtMost = 2 * time.Hour

// diagnoseAtOnce is how many targets are looked at at one time: each asks the source for much, and in a time of its own.
const diagnoseAtOnce = 8

// Diagnose looks for what holds one target back, or with "" each.
func (a *Agent) Diagnose(ctx context.Context, q api.DiagnosisQuery) ([]api.DiagnosisView, error) {
	now := time.Now()
	from := q.Since
	if from.IsZero() {
		from = now.Add(-diagnoseOver)
	}
	switch ago := now.Sub(from); {
	case ago <= 0:
		return nil, api.Invalid("since %s is to come", from.Format(time.RFC3339))
	case ago > diagnoseAtMost+time.Minute: // the client's clock may differ
		return nil, api.Invalid("what a target used is remembered for 2h").WithRemedy("ask for less, and use engramd analyze for days")
	}
	if a.started.After(from) {
		from = a.started // nothing was measured before
	}
	said := map[string]string{} // by the platforms
	names, err := call(ctx, a.inbox, func() ([]string, error) {
		names := []string{q.Target}
		if q.Target == "" {
			names = a.loop.names()
		}
		for _, name := range names {
			t := a.loop.targets[name]
			if t == nil {
				return nil, a.noTarget(name)
			}
			said[name] = a.platformsSay(t, "")
		}
		return names, nil
	})
	if err != nil {
		return nil, err
	}
	views := make([]api.DiagnosisView, len(names))
	var wg sync.WaitGroup
	turns := make(chan struct{}, diagnoseAtOnce)
	for i, name := range names {
		turns <- struct{}{}
		wg.Go(func() {
			defer func() { <-turns }()
			views[i] = api.DiagnosisView{Target: name, From: from, To: now, Report: a.inspect(ctx, diagnosis.Question{Target: name, From: from, To: now})}
			views[i].Summary = and(views[i].Summary, said[name])
		})
	}
	wg.Wait()
	return views, nil
}
