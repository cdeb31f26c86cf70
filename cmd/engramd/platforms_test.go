package main

import (
	"context"
	"errors"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/engramd/engramd/actuators"
)

// A platform that never answers holds up neither the others nor the command, whatever it thinks of the
// context.
func TestAPlatformThatNeverAnswers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		defer close(release)
		platforms := actuators.Registry{
			"a": {Find: func(context.Context) ([]actuators.Found, error) { <-release; return nil, nil }},
			"b": {Find: func(context.Context) ([]actuators.Found, error) { return []actuators.Found{{Name: "x"}}, nil }},
			"c": {Find: func(ctx context.Context) ([]actuators.Found, error) { <-ctx.Done(); return nil, errors.New("away") }},
		}
		began := time.Now()
		var mute []string
		found := find(t.Context(), platforms, func(platform string, _ error) { mute = append(mute, platform) })
		if took := time.Since(began); took != probeTime {
			t.Errorf("it took %s", took)
		}
		if len(found["b"]) != 1 || !slices.Equal(mute, []string{"a", "c"}) {
			t.Errorf("found %v, and not %v", found, mute)
		}
	})
}

// What another decides about, in a cluster that a kubeconfig happens to name, is not discovered by
// itself: to watch it takes its Lease.
func TestOnlyThisHostIsDiscovered(t *testing.T) {
	if _, ok := local()["kubernetes"]; ok || len(local()) != len(registry())-1 {
		t.Errorf("local: %v", local())
	}
}
