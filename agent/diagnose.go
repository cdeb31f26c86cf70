package agent

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/engramd/engramd/actuators"
	"github.com/engramd/engramd/agent/diagnosis"
	"github.com/engramd/engramd/policy"
	"github.com/engramd/engramd/policy/diagnose"
)

// diagnose says in a few words what held a target back since its change.
func (a *Agent) diagnose(ctx context.Context, one actuators.Action) string {
	if a.opts.Diagnose != nil {
		return a.opts.Diagnose(ctx, one)
	}
	from := settledAt(one)
	return a.inspect(ctx, diagnosis.Question{Target: one.TargetName, From: from, To: time.Now(), Change: changedAt(one)}).Summary
}

// diagnoseOver is how far back a diagnosis looks that a row, an alert or a person asks for.
const diagnoseOver = 5 * time.Minute

// inspect gathers the evidence and judges it. It may be called beside the loop.
func (a *Agent) inspect(ctx context.Context, q diagnosis.Question) diagnose.Report {
	q.Interval = time.Duration(a.interval.Load())
	return diagnosis.Look(ctx, a.senses, q)
}

// diagnosePolicy looks for the bottleneck once a row begins to ask for it.
func (a *Agent) diagnosePolicy(ctx context.Context, t *target, name string, was policy.Evaluation, s *policyState) {
	switch {
	case !s.last.Diagnose:
		s.diagnosis = ""
	case (s.diagnosis == "" || was.Row != s.last.Row) && !s.diagnosing:
		s.diagnosing = true
		a.tellDiagnosis(ctx, t, fmt.Sprintf("policy %s, %s", name, s.last.Condition), s.last.At, func(found string) {
			s.diagnosing = false
			if s.last.Diagnose {
				s.diagnosis = found
				a.addDiagnosis(t, name, found)
			}
		})
	}
}

// addDiagnosis writes a diagnosis on the decisions that wait for one: it takes a moment, and they do not.
func (a *Agent) addDiagnosis(t *target, policyName, found string) {
	for i, v := range t.views {
		if v.decision.Policy != policyName || v.decision.ID == "" || v.decision.Diagnosis != "" {
			continue
		}
		d, err := a.journal.Decision(v.decision.ID)
		if err != nil || d.Diagnosis != "" {
			continue
		}
		d.Diagnosis = found
		if _, err := a.journal.PutDecisions(d); err != nil {
			a.logError("keep a decision's diagnosis", err)
			continue
		}
		t.views[i].decision.Diagnosis = found
	}
}

// diagnoseOnAlerts does the same for alerts, once a firing episode.
func (a *Agent) diagnoseOnAlerts(ctx context.Context, t *target, now time.Time) {
	for _, b := range a.loop.cfg.Rules.OnAlert {
		alert, ok := a.firing(b, t.cfg.Name)
		what := episodeOf(b.Alert, policy.Resource(policy.Diagnose))
		if ok && slices.Contains(b.Do, policy.Diagnose) && t.episodes[what] != alert.Episode {
			a.noteActed(t, what, alert)
			a.tellDiagnosis(ctx, t, "alert "+b.Alert, now, func(string) {})
		}
	}
}

// tellDiagnosis makes a diagnosis beside the loop, which waits for no server, and has the loop tell it.
func (a *Agent) tellDiagnosis(ctx context.Context, t *target, asked string, now time.Time, then func(found string)) {
	target, said := t.cfg.Name, a.platformsSay(t, "")
	a.loop.beside.Go(func() {
		report := a.inspect(ctx, diagnosis.Question{Target: target, From: now.Add(-diagnoseOver), To: now})
		found := and(report.Summary, said)
		_, _ = call(ctx, a.inbox, func() (struct{}, error) { // a loop that has ended tells nothing any more
			a.emit(policy.Event{
				Type: policy.EventDiagnose, Severity: policy.Info, Target: target, Message: found,
				Details: map[string]string{"asked": asked},
			})
			then(found)
			return struct{}{}, nil
		})
	})
}

// settledAt is since when the target has had its new size and has come to rest at it.
func settledAt(one actuators.Action) time.Time {
	for _, x := range one.Times {
		if x.State == actuators.Validating {
			return x.At.Add(one.Procedure.Validation.Settle)
		}
	}
	return one.Since()
}

// changedAt is when the target began to be changed.
func changedAt(one actuators.Action) time.Time {
	for _, x := range one.Times {
		if x.State == actuators.Applying {
			return x.At
		}
	}
	return one.Since()
}
