package agent

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/engramd/engramd/actuators"
	"github.com/engramd/engramd/policy"
)

// diagnose says in a few words what a target was short of since its change, from what the collectors
// measured.
func (a *Agent) diagnose(ctx context.Context, one actuators.Action) string {
	if a.opts.Diagnose != nil {
		return a.opts.Diagnose(ctx, one)
	}
	return bottleneck(a.senses.Used(one.TargetName, settledAt(one), time.Now()))
}

// diagnoseOver is how far back a diagnosis looks that a row or an alert asks for.
const diagnoseOver = 5 * time.Minute

// diagnosePolicy looks for the bottleneck once a row begins to ask for it.
func (a *Agent) diagnosePolicy(t *target, name string, was policy.Evaluation, s *policyState) {
	switch {
	case !s.last.Diagnose:
		s.diagnosis = ""
	case s.diagnosis == "" || was.Row != s.last.Row:
		s.diagnosis = a.tellDiagnosis(t, fmt.Sprintf("policy %s, %s", name, s.last.Condition), s.last.At)
	}
}

// diagnoseOnAlerts does the same for alerts, once a firing episode.
func (a *Agent) diagnoseOnAlerts(t *target, now time.Time) {
	for _, b := range a.loop.cfg.Rules.OnAlert {
		alert, ok := a.firing(b, t.cfg.Name)
		what := episodeOf(b.Alert, policy.Resource(policy.Diagnose))
		if ok && slices.Contains(b.Do, policy.Diagnose) && t.episodes[what] != alert.Episode {
			a.noteActed(t, what, alert)
			a.tellDiagnosis(t, "alert "+b.Alert, now)
		}
	}
}

func (a *Agent) tellDiagnosis(t *target, asked string, now time.Time) string {
	found := bottleneck(a.senses.Used(t.cfg.Name, now.Add(-diagnoseOver), now))
	a.emit(policy.Event{
		Type: policy.EventDiagnose, Severity: policy.Info, Target: t.cfg.Name, Message: found,
		Details: map[string]string{"asked": asked},
	})
	return found
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

// bottleneck names what the use speaks for, with the numbers.
func bottleneck(u actuators.Usage) string {
	var found []string
	add := func(format string, args ...any) { found = append(found, fmt.Sprintf(format, args...)) }
	if u.ThrottledRatio != nil && *u.ThrottledRatio > 0.05 {
		add("CPU: throttled in %.0f%% of the periods", *u.ThrottledRatio*100)
	}
	if u.CPUStall != nil && *u.CPUStall > 0.1 {
		add("CPU: waiting for a processor %.0f%% of the time", *u.CPUStall*100)
	}
	if u.MemoryStall != nil && *u.MemoryStall > 0.05 {
		add("memory: stalled for memory %.0f%% of the time", *u.MemoryStall*100)
	}
	if u.OOMKills != nil && *u.OOMKills > 0 {
		add("memory: %d processes were killed for lack of it", *u.OOMKills)
	}
	if len(found) > 0 {
		return strings.Join(found, "; ")
	}
	if u.Cores == nil {
		return "nothing was measured"
	}
	text := fmt.Sprintf("used %.2f cores", *u.Cores)
	if u.CPULimit != nil {
		text += fmt.Sprintf(" of %.2f", *u.CPULimit)
		if whole := float64(int(*u.Cores + 0.5)); whole >= 1 && *u.Cores > whole-0.1 && *u.Cores < whole+0.1 && *u.CPULimit > whole+0.2 {
			return text + fmt.Sprintf(", close to %.0f whole: as many busy threads as that, and no more; the work does not spread over further cores", whole)
		}
	}
	return text + ", not throttled: it waits for something else than CPU (a lock, a disk, the network, or its callers)"
}
