package api_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"testing"
	"time"

	"github.com/engramd/engramd/actuators"
	"github.com/engramd/engramd/agent/api"
	"github.com/engramd/engramd/policy"
	"github.com/engramd/engramd/policy/diagnose"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var noon = time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)

// A fake is a Backend that remembers the last call and answers err, if it is set.
type fake struct {
	call string
	err  error
	hang bool // until the context ends
}

func (f *fake) did(ctx context.Context, what string, args ...any) error {
	text, err := json.Marshal(args)
	if err != nil {
		return err
	}
	f.call = what + string(text)
	if f.hang {
		<-ctx.Done()
		return context.Cause(ctx)
	}
	return f.err
}

func (f *fake) Ready(ctx context.Context) error { return f.did(ctx, "ready") }

func (f *fake) Status(ctx context.Context) (api.Status, error) {
	return api.Status{Version: "1.2.3", Now: noon, Targets: []api.TargetStatus{{Name: "engram", State: api.TargetOK}}}, f.did(ctx, "status")
}

func (f *fake) Plan(ctx context.Context, target string) ([]api.PlanView, error) {
	return []api.PlanView{{Target: target, From: policy.Amount(2000), To: policy.Unlimited()}}, f.did(ctx, "plan", target)
}

func (f *fake) Decisions(ctx context.Context, q api.DecisionQuery) ([]policy.Decision, error) {
	return []policy.Decision{{ID: "d1"}}, f.did(ctx, "decisions", q)
}

func (f *fake) Diagnose(ctx context.Context, q api.DiagnosisQuery) ([]api.DiagnosisView, error) {
	return []api.DiagnosisView{{Target: q.Target, Report: diagnose.Report{Summary: "lock contention"}}}, f.did(ctx, "diagnose", q)
}

func (f *fake) Explain(ctx context.Context, id string) (api.Explanation, error) {
	if id == "panic" {
		panic("oh no")
	}
	return api.Explanation{Now: noon, Decision: policy.Decision{ID: id}}, f.did(ctx, "explain", id)
}

func (f *fake) Actions(ctx context.Context, q api.ActionQuery) ([]api.ActionView, error) {
	return []api.ActionView{{ID: "a1"}}, f.did(ctx, "actions", q)
}

func (f *fake) Approve(ctx context.Context, id string, r api.ApproveRequest) (api.ActionView, error) {
	return api.ActionView{ID: id, State: actuators.Waiting}, f.did(ctx, "approve", id, r)
}

func (f *fake) Reject(ctx context.Context, id string, r api.ReasonRequest) (api.ActionView, error) {
	return api.ActionView{ID: id}, f.did(ctx, "reject", id, r)
}

func (f *fake) Cancel(ctx context.Context, id string, r api.ReasonRequest) (api.ActionView, error) {
	return api.ActionView{ID: id}, f.did(ctx, "cancel", id, r)
}

func (f *fake) Pause(ctx context.Context, r api.PauseRequest) (api.PauseView, error) {
	return api.PauseView{Target: r.Target, By: r.By}, f.did(ctx, "pause", r)
}

func (f *fake) Resume(ctx context.Context, r api.TargetRequest) error { return f.did(ctx, "resume", r) }

func (f *fake) Freeze(ctx context.Context, r api.FreezeRequest) (api.FreezeView, error) {
	return api.FreezeView{Target: r.Target}, f.did(ctx, "freeze", r)
}

func (f *fake) Unfreeze(ctx context.Context, r api.UnfreezeRequest) error {
	return f.did(ctx, "unfreeze", r)
}

func (f *fake) Release(ctx context.Context, r api.ReleaseRequest) ([]api.ReleaseView, error) {
	return []api.ReleaseView{{Target: "engram", Done: true}}, f.did(ctx, "release", r)
}

func (f *fake) Reload(ctx context.Context) (api.ReloadView, error) {
	return api.ReloadView{Changed: true}, f.did(ctx, "reload")
}

// says is a handler that says its name and the path it saw.
func says(name string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, name, " ", r.URL.Path) })
}

func server(t *testing.T, b api.Backend, cfg api.Config) *api.Server {
	t.Helper()
	if cfg.Addr == "" {
		cfg.Addr = "127.0.0.1:9090"
	}
	s, err := api.New(cfg, b, api.Mounts{Metrics: says("metrics"), Prometheus: says("prometheus"), Console: says("console")}, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

var errBroken = errors.New("journal: no space left on device")
