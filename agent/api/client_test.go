package api_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/engramd/engramd/agent/api"
	"github.com/engramd/engramd/policy"
	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/common/model"
)

func client(t *testing.T, cfg api.ClientConfig) *api.Client {
	t.Helper()
	c, err := api.NewClient(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

// calls makes each call of the client once and returns what it was.
func calls(ctx context.Context, c *api.Client) map[string]func() (any, error) {
	asked := api.Asked{By: "anna"}
	return map[string]func() (any, error){
		`statusnull`:     func() (any, error) { return c.Status(ctx) },
		`plan["engram"]`: func() (any, error) { return c.Plan(ctx, "engram") },
		`plan[""]`:       func() (any, error) { return c.Plan(ctx, "") },
		`decisions[{"Target":"e","Policy":"p","Resource":"cpu","Since":"2026-11-21T12:00:00Z","Limit":3}]`: func() (any, error) {
			return c.Decisions(ctx, api.DecisionQuery{Target: "e", Policy: "p", Resource: policy.CPU, Since: noon, Limit: 3})
		},
		`actions[{"Target":"e","Resource":"cpu","Open":true,"Since":"2026-11-21T12:00:00Z","Limit":3}]`: func() (any, error) {
			return c.Actions(ctx, api.ActionQuery{Target: "e", Resource: policy.CPU, Open: true, Since: noon, Limit: 3})
		},
		`diagnose[{"Target":"e","Since":"2026-11-21T12:00:00Z"}]`: func() (any, error) {
			return c.Diagnose(ctx, api.DiagnosisQuery{Target: "e", Since: noon})
		},
		`explain["d/1 %"]`:                           func() (any, error) { return c.Explain(ctx, "d/1 %") },
		`approve["a",{"by":"anna","plan_hash":"h"}]`: func() (any, error) { return c.Approve(ctx, "a", api.ApproveRequest{Asked: asked, PlanHash: "h"}) },
		`reject["a",{"by":"anna","reason":"r"}]`:     func() (any, error) { return c.Reject(ctx, "a", api.ReasonRequest{Asked: asked, Reason: "r"}) },
		`cancel["a",{"by":"anna"}]`:                  func() (any, error) { return c.Cancel(ctx, "a", api.ReasonRequest{Asked: asked}) },
		`pause[{"by":"anna","target":"e","for":"2h","reason":"r"}]`: func() (any, error) {
			return c.Pause(ctx, api.PauseRequest{Asked: asked, Target: "e", For: model.Duration(2 * time.Hour), Reason: "r"})
		},
		`resume[{"by":"anna"}]`: func() (any, error) { return nil, c.Resume(ctx, api.TargetRequest{Asked: asked}) },
		`freeze[{"by":"anna","target":"e","resource":"cpu"}]`: func() (any, error) {
			return c.Freeze(ctx, api.FreezeRequest{Asked: asked, Target: "e", Resource: policy.CPU})
		},
		`unfreeze[{"by":"anna","target":"e"}]`: func() (any, error) {
			return nil, c.Unfreeze(ctx, api.UnfreezeRequest{Asked: asked, Target: "e"})
		},
		`release[{"by":"anna","all":true}]`: func() (any, error) { return c.Release(ctx, api.ReleaseRequest{Asked: asked, All: true}) },
		`reloadnull`:                        func() (any, error) { return c.Reload(ctx) },
		`readynull`:                         func() (any, error) { return nil, c.Ready(ctx) },
	}
}

func TestTheClientSaysWhatTheServerHears(t *testing.T) {
	for _, addr := range []string{"127.0.0.1:0", "unix://" + t.TempDir() + "/s"} {
		b := &fake{}
		c := client(t, api.ClientConfig{Addr: serve(t, server(t, b, api.Config{}), addr)})
		for want, call := range calls(t.Context(), c) {
			if _, err := call(); err != nil || b.call != want {
				t.Errorf("%s: called %s, want %s: %v", addr, b.call, want, err)
			}
		}
		got, err := c.Plan(t.Context(), "engram")
		want := []api.PlanView{{Target: "engram", From: policy.Amount(2000), To: policy.Unlimited()}}
		if diff := cmp.Diff(want, got, cmp.AllowUnexported(policy.Quantity{})); err != nil || diff != "" {
			t.Error(err, diff)
		}
	}
}

func TestTheClientPassesProblemsOn(t *testing.T) {
	b := &fake{err: api.Conflict("the plan has changed since it was shown").WithRemedy("look at it again: engramd plan")}
	c := client(t, api.ClientConfig{Addr: serve(t, server(t, b, api.Config{}), "127.0.0.1:0")})
	for what, call := range calls(t.Context(), c) {
		_, err := call()
		p, ok := errors.AsType[*api.Problem](err)
		if !ok || (p.Status != 409 && what != "readynull") || !strings.Contains(err.Error(), "look at it again") {
			t.Errorf("%s: %v", what, err)
		}
	}
}

func TestTheClientSaysWhatToDo(t *testing.T) {
	const nobody = "127.0.0.1:1" // one of the kernel's choice might be given to the next server
	endless := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Server", "engramd")
		for err := error(nil); err == nil; {
			_, err = w.Write(make([]byte, 1<<20))
		}
	}))
	defer endless.Close()
	other := httptest.NewServer(says("prometheus"))
	defer other.Close()
	dir := pki(t)
	secure := serve(t, server(t, &fake{}, api.Config{CertFile: dir + "/cert.pem", KeyFile: dir + "/key.pem"}), "127.0.0.1:0")
	locked := serve(t, server(t, &fake{}, api.Config{TokenFile: tokens(t, tokenText)}), "127.0.0.1:0")
	plain := serve(t, server(t, &fake{}, api.Config{}), "127.0.0.1:0")

	tests := map[string]struct {
		cfg  api.ClientConfig
		says string
	}{
		"nobody there":           {api.ClientConfig{Addr: nobody}, "start it with engramd run"},
		"no socket":              {api.ClientConfig{Addr: "unix:///nowhere/s"}, "start it with engramd run"},
		"something else":         {api.ClientConfig{Addr: other.URL}, "is not engramd"},
		"an endless answer":      {api.ClientConfig{Addr: endless.URL}, "larger than"},
		"no token":               {api.ClientConfig{Addr: locked}, "--token-file"},
		"wrong token":            {api.ClientConfig{Addr: locked, Token: "wrong-token-0123456789"}, "--token-file"},
		"TLS without s":          {api.ClientConfig{Addr: secure}, "https://"},
		"https without TLS":      {api.ClientConfig{Addr: "https://" + plain}, "http://"},
		"TLS with an unknown CA": {api.ClientConfig{Addr: "https://" + secure}, "--ca-file"},
	}
	for name, test := range tests {
		_, err := client(t, test.cfg).Status(t.Context())
		if err == nil || !strings.Contains(err.Error(), test.says) {
			t.Errorf("%s: %v", name, err)
		}
		if (name == "nobody there" || name == "no socket") != errors.Is(err, api.ErrUnreachable) {
			t.Errorf("%s: unreachable is wrong", name)
		}
	}
	if _, err := client(t, api.ClientConfig{Addr: locked, Token: reader}).Status(t.Context()); err != nil {
		t.Error(err)
	}
	for _, addr := range []string{"", "http://", "ftp://x", "http://a b"} {
		if _, err := api.NewClient(api.ClientConfig{Addr: addr}); err == nil {
			t.Errorf("took the address %q", addr)
		}
	}
}

func TestClientCertificatesOverTheWire(t *testing.T) {
	dir := pki(t)
	cfg := api.Config{CertFile: dir + "/cert.pem", KeyFile: dir + "/key.pem", ClientCAFile: dir + "/cert.pem"}
	b := &fake{}
	addr := serve(t, server(t, b, cfg), "127.0.0.1:0")
	certified := api.ClientConfig{Addr: addr, CAFile: dir + "/cert.pem", CertFile: dir + "/cert.pem", KeyFile: dir + "/key.pem"}
	c := client(t, certified)
	if _, err := c.Approve(t.Context(), "a", api.ApproveRequest{Asked: api.Asked{By: "somebody else"}}); err != nil || b.call != `approve["a",{"by":"anna"}]` {
		t.Errorf("called %s: %v", b.call, err)
	}
	if _, err := c.Reload(t.Context()); err == nil {
		t.Error("an approver could reload")
	}
	bare := client(t, api.ClientConfig{Addr: addr, CAFile: dir + "/cert.pem"})
	if err := bare.Ready(t.Context()); err != nil {
		t.Errorf("a probe without certificate: %v", err)
	}
	if _, err := bare.Status(t.Context()); err == nil {
		t.Error("let in without a certificate")
	}

	// A renewed certificate is served without a restart.
	ca := dir + "/cert.pem"
	renew(t, dir, 2)
	fresh := client(t, api.ClientConfig{Addr: addr, CAFile: ca})
	if err := fresh.Ready(t.Context()); err != nil {
		t.Errorf("after renewal: %v", err)
	}
}
