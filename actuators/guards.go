package actuators

import (
	"context"
	"fmt"
	"time"

	"github.com/engramd/engramd/policy"
)

// guard undoes the change at once when it hurts. A growth is undone only for a fault that the change
// caused: load that was too much before may well be too much after it.
func (r *run) guard(ctx context.Context, w *watch, st State) stage {
	hurt := r.killed(w)
	if hurt == "" {
		hurt = r.crashed(w, st)
	}
	if hurt == "" {
		hurt = r.sick(ctx, w, st)
	}
	if hurt == "" {
		hurt = r.failing(ctx, w)
	}
	if hurt == "" {
		return nil
	}
	r.event(policy.EventValidate, policy.Warning, "guard: "+hurt, nil)
	return r.takeBack(hurt)
}

// causes reports whether a fault at this moment may be the change's doing. A decrease or a restart
// answers for all that follows, a live growth only for what happens until its effect was judged.
func (r *run) causes(w *watch) bool {
	if r.a.Direction != policy.Growth || r.a.Plan.Strategy == policy.Restart {
		return true
	}
	return !time.Now().After(w.settled.Add(w.v.stretch()))
}

// crashed looks for parts that stopped or started again.
func (r *run) crashed(w *watch, st State) string {
	stopped := ""
	for _, p := range r.known(st) {
		was, seen := w.first[p.ID]
		if !seen {
			was = r.startOf(p)
			w.first[p.ID] = was
		}
		if r.starved(p) {
			continue
		}
		switch {
		case !p.Running:
			stopped = p.Name
		case p.Restarts > was.Restarts, !was.StartedAt.IsZero() && p.StartedAt.After(was.StartedAt):
			if r.causes(w) {
				return fmt.Sprintf("%s was restarted after the change", p.Name)
			}
		}
	}
	if stopped == "" {
		w.down = 0
		return ""
	}
	if w.down++; w.down < 2 || !r.causes(w) {
		return ""
	}
	return fmt.Sprintf("%s does not run any more", stopped)
}

// startOf is what is known of a part from when the change was verified.
func (r *run) startOf(p Part) Part {
	for _, id := range r.a.Parts {
		if id.ID == p.ID && !id.StartedAt.IsZero() {
			p.StartedAt = id.StartedAt
		}
	}
	return p
}

// starved reports a part that died of too little memory under a memory growth: taking that back
// would starve it more.
func (r *run) starved(p Part) bool {
	return p.OOMKilled && r.a.Resource == policy.Memory && r.a.Direction == policy.Growth
}

// killed looks for OOM kills since a decrease or a restart. A growth cannot cause one.
func (r *run) killed(w *watch) string {
	if r.a.Direction == policy.Growth || r.x.cfg.Meter == nil {
		return ""
	}
	u := r.x.cfg.Meter.Used(r.a.TargetName, w.began, time.Now())
	if u.OOMKills == nil || *u.OOMKills == 0 {
		return ""
	}
	return fmt.Sprintf("%d out-of-memory kills since the change", *u.OOMKills)
}

// sick asks for health, up to three times, and again at the next look before it believes a live
// growth did it.
func (r *run) sick(ctx context.Context, w *watch, st State) string {
	err := r.thrice(ctx, func(ctx context.Context) error { return r.unhealthyBut(ctx, st) })
	if err == nil || ctx.Err() != nil {
		w.unhealthy = 0
		return ""
	}
	w.unhealthy++
	if r.a.Direction == policy.Growth && r.a.Plan.Strategy == policy.Live {
		b := r.a.Baseline
		was := b != nil && b.Healthy != nil && *b.Healthy
		if !was || w.unhealthy < 2 || !r.causes(w) || r.neededNow(ctx, w.began) != "" {
			return ""
		}
	}
	return fmt.Sprintf("not healthy after the change: %v", err)
}

// unhealthyBut is unhealthy without what crashed looks after.
func (r *run) unhealthyBut(ctx context.Context, st State) error {
	for _, p := range r.known(st) {
		if p.Running && p.Healthy == "unhealthy" {
			return fmt.Errorf("the health check of %s says %s", p.Name, p.Healthy)
		}
	}
	return r.healthyNow(ctx)
}

// The error rate guard: at least twice as many as before, and a hundredth more.
const (
	errorsFactor = 2
	errorsMore   = 0.01
)

// failing compares the error rate with the one before.
func (r *run) failing(ctx context.Context, w *watch) string {
	now := time.Now()
	b := r.a.Baseline
	if b == nil || b.ErrorRate == nil || now.Before(w.settled.Add(w.v.Every)) {
		return ""
	}
	after := r.mean(ctx, r.a.Procedure.ErrorRate, later(w.settled, now.Add(-w.v.stretch())), now)
	if after == nil || *after < *b.ErrorRate*errorsFactor || *after-*b.ErrorRate < errorsMore {
		return ""
	}
	if r.a.Direction == policy.Growth && (!r.causes(w) || r.neededNow(ctx, w.began) != "") {
		return ""
	}
	return fmt.Sprintf("the error rate rose from %s to %s", number(*b.ErrorRate), number(*after))
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}
