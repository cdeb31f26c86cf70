package agent

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/engramd/engramd/policy"
)

// A slowPlatform takes a while for each event.
type slowPlatform struct {
	takes time.Duration
	has   []string
}

func (p *slowPlatform) RecordEvent(ctx context.Context, _ policy.Target, e policy.Event) error {
	select {
	case <-time.After(p.takes):
		p.has = append(p.has, e.Message)
		return nil
	case <-ctx.Done():
		return errors.New("cut off")
	}
}

// TestEventsOfTheLastMomentAreRecorded stops the agent while the platform takes the first of several events.
func TestEventsOfTheLastMomentAreRecorded(t *testing.T) {
	for _, test := range []struct {
		takes time.Duration
		want  []string
	}{
		{500 * time.Millisecond, []string{"0", "1", "2"}},
		{2 * time.Second, []string{"0"}},
		{time.Hour, nil},
	} {
		synctest.Test(t, func(t *testing.T) {
			r, p := newRecorder(slog.New(slog.DiscardHandler)), &slowPlatform{takes: test.takes}
			for i := range 3 {
				r.queue <- record{recording{to: p}, policy.Event{Message: fmt.Sprint(i)}}
			}
			const stops = 250 * time.Millisecond
			ctx, cancel := context.WithTimeout(t.Context(), stops)
			defer cancel()
			began := time.Now()
			r.run(ctx)
			if took := time.Since(began); took > stops+recordLast {
				t.Errorf("a platform that takes %s holds the end up: %s", test.takes, took)
			}
			if !slices.Equal(p.has, test.want) {
				t.Errorf("a platform that takes %s has %q, want %q", test.takes, p.has, test.want)
			}
		})
	}
}
