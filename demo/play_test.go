package demo

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/engramd/engramd/actuators"
	"github.com/engramd/engramd/agent/api"
	"github.com/engramd/engramd/demo/show"
	nodeapi "github.com/engramd/engramd/node/api"
)

// playing is a director in front of a node, and an agent that tells what a test has it tell.
func playing(t *testing.T, c *crowd, agent *told) *director {
	t.Helper()
	c.ask.Store(&nodeapi.SpreadRequest{})
	d := directing(agent)
	d.stage.crowd, d.stage.ended = c, make(chan struct{})
	screen := make(chan show.State)
	d.screen, d.faults = screen, make(chan error, 1)
	over := make(chan struct{})
	go func() {
		defer close(over)
		for range screen { // nobody looks
		}
	}()
	t.Cleanup(func() { close(screen); <-over })
	return d
}

// TestTheSpike plays that phase: so many new memories arrive that the row of the tiers is entered, and the phase goes on until the
// tiers are balanced.
func TestTheSpike(t *testing.T) {
	var spiking phase
	for _, p := range story(spreadingCores) {
		if p.until == balance {
			spiking = p
		}
	}
	if percent := 100 * float64(spiking.fresh) / float64(memories+spiking.fresh); percent < 2*bound["hot"] {
		t.Errorf("%.0f%% of all memories are new: that is hardly in the row", percent)
	}
	n, c := served(t)
	spiking.clients, spiking.fresh = 0, 100
	agent := &told{actions: []api.ActionView{evicted("a2", actuators.Committed)}}
	d := playing(t, c, agent)
	happened, err := d.play(t.Context(), spiking)
	if !happened || err != nil {
		t.Errorf("happened: %v, %v", happened, err)
	}
	if st := n.Stats().Spaces; len(st) != 1 || st[0].Memories != 100 {
		t.Errorf("the spike brought %+v, want 100 memories", st)
	}
	agent.actions = []api.ActionView{evicted("a2", actuators.Validating)}
	spiking.fresh, spiking.lasts = 0, time.Millisecond
	if happened, err := d.play(t.Context(), spiking); happened || err != nil {
		t.Errorf("before the tiers are balanced it happened: %v, %v", happened, err)
	}
}

// TestASpikeThatIsRefused ends the demo with the reason.
func TestASpikeThatIsRefused(t *testing.T) {
	c, err := newCrowd("http://127.0.0.1:1")
	if err != nil {
		t.Fatal(err)
	}
	defer c.close()
	d := playing(t, c, &told{})
	if _, err := d.play(t.Context(), phase{fresh: 3, lasts: 5 * time.Second}); err == nil {
		t.Error("nobody was there to take the new memories, and nobody said so")
	}
}

// TestTheAgentEnds before the demo, and its node answers no more: the demo waits for neither.
func TestTheAgentEnds(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		select {
		case <-r.Context().Done():
		case <-ctx.Done():
		}
	}))
	defer server.Close()
	c, err := newCrowd(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	defer c.close()
	d := playing(t, c, &told{})
	close(d.stage.ended)
	if _, err := d.play(ctx, phase{fresh: 3, lasts: time.Minute}); err != errEnded || ctx.Err() != nil {
		t.Errorf("%v, %v", err, ctx.Err())
	}
}
