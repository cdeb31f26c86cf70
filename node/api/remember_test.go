package api_test

import (
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/engramd/engramd/node"
	"github.com/engramd/engramd/node/api"
	"github.com/google/go-cmp/cmp"
)

func TestRememberAndGet(t *testing.T) {
	w := begin(t, api.Options{})
	confidence := float32(0.25)
	in := api.NewMemory{
		ID: "a", Type: "semantic", Content: "ümlaut <&> \u2028", Vector: api.Vector{1, -0.5, 3e-7}, Tags: []string{"x", "y"},
		Metadata: []byte(`{"n":1.50,"s":"\u00e9"}`), Confidence: &confidence,
		CreatedAt: time.Date(2026, 11, 22, 1, 2, 3, 4_567_890, time.FixedZone("", 3600)), ExpiresAt: time.Date(2999, 1, 1, 0, 0, 0, 123_456, time.UTC),
		Access: &api.Access{Activation: 0.5, Count: 3, LastAt: time.Date(2026, 11, 22, 2, 0, 0, 0, time.UTC)},
	}
	first, err := w.client.Remember(t.Context(), "", in)
	if err != nil || !first.Created || first.ID != "a" || first.Version == 0 {
		t.Fatal(first, err)
	}
	again, err := w.client.Remember(t.Context(), "default", in)
	if err != nil || again.Created || again.Version != first.Version {
		t.Errorf("again: %+v, %v", again, err)
	}
	in.Content = "other"
	if _, err := w.client.Remember(t.Context(), "", in); !errors.Is(err, node.ErrConflict) || errors.Is(err, node.ErrBusy) {
		t.Errorf("other content: %v", err)
	}
	for _, how := range []string{"", "array", "base64"} {
		got, err := w.client.Get(t.Context(), "", "a", how)
		if err != nil {
			t.Fatal(err)
		}
		if got.Activation <= 0 || got.Activation > 0.5 {
			t.Errorf("activation %v", got.Activation)
		}
		got.Activation = 0
		want := api.Memory{
			ID: "a", Type: "semantic", Content: "ümlaut <&> \u2028", Vector: api.Vector{1, -0.5, 3e-7}, Tags: []string{"x", "y"},
			Metadata: []byte(`{"n":1.50,"s":"\u00e9"}`), Confidence: 0.25, Version: first.Version,
			CreatedAt: time.Date(2026, 11, 22, 0, 2, 3, 4_000_000, time.UTC), UpdatedAt: time.Date(2026, 11, 22, 0, 2, 3, 4_000_000, time.UTC),
			ExpiresAt: time.Date(2999, 1, 1, 0, 0, 0, 0, time.UTC),
			Access:    *in.Access,
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("vectors=%s: %s", how, diff)
		}
	}
}

func TestRememberSetsHeaders(t *testing.T) {
	w := begin(t, api.Options{})
	a := w.must(http.StatusCreated, "POST", "/api/v1/memories/remember", `{"content":"x","id":"ä:1"}`)
	got := w.must(http.StatusOK, "GET", a.header.Get("Location"), "")
	if got.header.Get("ETag") != a.header.Get("ETag") || a.header.Get("ETag") == "" {
		t.Errorf("ETag %q, then %q", a.header.Get("ETag"), got.header.Get("ETag"))
	}
	w.must(http.StatusNotModified, "GET", a.header.Get("Location"), "", "If-None-Match", `"1", W/`+a.header.Get("ETag"))
	w.must(http.StatusOK, "GET", a.header.Get("Location"), "", "If-None-Match", `"999"`)
}

func TestHealth(t *testing.T) {
	w := begin(t, api.Options{})
	if a := w.must(http.StatusOK, "GET", "/health", ""); !strings.Contains(a.body, `"status":"ok"`) {
		t.Error(a.body)
	}
	if _, err := w.node.EnableMaintenance("agent", time.Minute); err != nil {
		t.Fatal(err)
	}
	h, err := w.client.Health(t.Context())
	if age := time.Since(h.StartedAt); age < 0 || age > time.Hour {
		t.Errorf("started at %s", h.StartedAt)
	}
	if diff := cmp.Diff(api.Health{Status: "maintenance", Owner: "agent", StartedAt: h.StartedAt}, h); diff != "" || err != nil {
		t.Error(diff, err)
	}
	a := w.must(http.StatusServiceUnavailable, "POST", "/api/v1/memories/remember", `{"content":"x"}`)
	if a.header.Get("Retry-After") == "" {
		t.Error("no Retry-After")
	}
}
