package nodeloop_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/engramd/engramd/testenv"
	"github.com/engramd/engramd/testenv/loop"
	"github.com/engramd/engramd/testenv/node"
	"github.com/engramd/engramd/testenv/nodeloop"
)

// doubled wants two workers where there is one, or, without effect, as long as nobody is in maintenance mode.
const doubled = `
mode: auto
metrics: {interval: 1s}
validation: {settle: 1s, duration: 6s, every: 1s, effect: {checks: 3, none: rollback}}
safety: {cooldown: {up: 1h, down: 1h}, retry_after: 1h}
targets:
  - name: memory
    node: {url: "{{.gate}}"}
policies:
  - name: workers
    target: memory
    matrix:
      signals: {signal: "{{.signal}}"}
      rows:
        - {when: {signal: "< {{.below}}"}, do: scale, change: {threads: {spreading: {to: 2}}}}
        - {when: {signal: ">= {{.below}}"}, do: none}
`

const (
	helps   = `max(engram_workers{target='$target', pool='spreading'})`
	useless = `max(engram_maintenance{target='$target'})`
)

// engramd is killed in every state of a change of a node that outlives it, and takes it up again.
func TestE2EKilledBesideANode(t *testing.T) {
	testenv.Need(t, "node")
	for _, c := range []struct {
		name   string
		signal string
		below  int
		// state is where the action is when engramd is killed, and after says whether the node has done by then what it was asked.
		state   string
		after   bool
		workers int // then
		ends    []string
		left    int // workers at the end
	}{
		{"before it is asked", helps, 2, "applying", false, 1, []string{"rolled_back"}, 1},
		{"before its answer", helps, 2, "applying", true, 2, []string{"committed"}, 2},
		{"watched", helps, 2, "validating", true, 2, []string{"committed"}, 2},
		{"before the undo", useless, 1, "rolling_back", false, 2, []string{"rolled_back"}, 1},
		{"after the undo", useless, 1, "rolling_back", true, 1, []string{"rolled_back"}, 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			n := node.Start(t)
			nodeloop.Shell(t, "curl -sf -X POST "+n.URL+`/api/v1/admin/threading -H 'Content-Type: application/json' -d '{"spreading_workers":1}'`)
			g := nodeloop.NewGate(t, n.URL)
			var hold *nodeloop.Hold
			if c.state == "applying" {
				hold = g.Next("/threading", c.after)
			}
			a := loop.Start(t, doubled, loop.Values{"gate": g.URL, "signal": c.signal, "below": c.below})
			if c.state == "rolling_back" {
				a.Await(t, testenv.Patience(30*time.Second), "it is watched", in("validating"))
				hold = g.Next("/threading", c.after)
			}
			if hold != nil {
				select {
				case <-hold.Held():
				case <-time.After(testenv.Patience(30 * time.Second)):
					t.Fatal("nothing was asked of the node")
				}
			} else {
				a.Await(t, testenv.Patience(30*time.Second), "it is watched", in(c.state))
			}
			if all := a.Actions(t); len(all) != 1 || all[0].State != c.state {
				t.Fatalf("not %s:\n%s", c.state, loop.Story(all))
			}
			a.Kill(t)
			if hold != nil {
				hold.Let()
			}
			if has := workers(t, n.URL); has != c.workers {
				t.Errorf("killed with %d workers, want %d", has, c.workers)
			}
			a.Start(t)
			ended := a.Await(t, testenv.Patience(time.Minute), fmt.Sprintf("it ends: %v", c.ends), in(c.ends...))
			if has := workers(t, n.URL); has != c.left {
				t.Errorf("%s with %d workers, want %d", ended.State, has, c.left)
			}
			if all := a.Actions(t); len(all) != 1 {
				t.Errorf("it was begun anew:\n%s", loop.Story(all))
			}
		})
	}
}

func in(states ...string) func(loop.Action) bool {
	return func(x loop.Action) bool {
		return x.Resource == "threads.spreading" && slices.Contains(states, x.State)
	}
}

func workers(t *testing.T, url string) int {
	t.Helper()
	return nodeloop.Get[nodeloop.Threading](t, url, "threading").Spreading.Workers
}

// The embedded node dies with its agent, and comes back as it is configured: what was watched is over, and nobody is taken to have
// decided against it.
func TestE2EKilledWithItsNode(t *testing.T) {
	testenv.Need(t, "node")
	t.Parallel()
	a := nodeloop.With(t, "  threading: {spreading_cores: [0]}\n", `
metrics: {interval: 1s}
targets:
  - name: memory
    mode: auto
    node: {url: "{{.node}}"}
    validation: {settle: 1s, duration: 5s, every: 1s}
    safety: {cooldown: {up: 1s, down: 1s}}
policies:
  - name: workers
    target: memory
    matrix:
      signals: {workers: "max(engram_workers{target='$target', pool='spreading'})"}
      rows:
        - {when: {workers: "< 2"}, do: scale, change: {threads: {spreading: {to: 2}}}}
        - {when: {workers: ">= 2"}, do: none}
`)
	for round := range 2 {
		watched := a.Await(t, testenv.Patience(30*time.Second), "it is watched", in("validating"))
		a.Kill(t)
		a.Start(t)
		a.Await(t, testenv.Patience(30*time.Second), "what was watched is over", func(x loop.Action) bool { return x.ID == watched.ID && x.State == "superseded" })
		committed := a.Await(t, testenv.Patience(30*time.Second), "it is done again", func(x loop.Action) bool { return in("committed")(x) && x.ID > "" && x.ID != watched.ID })
		a.Kill(t) // what was committed is gone with the node, too
		a.Start(t)
		if round == 0 {
			a.Await(t, testenv.Patience(30*time.Second), "and done again", func(x loop.Action) bool { return in("validating")(x) && x.ID != committed.ID })
		}
	}
	for _, e := range a.Events(t) {
		if e.Type == "reversal" || e.Type == "freeze" {
			t.Errorf("a restart of the node was taken for somebody's decision: %s", e.Message)
		}
	}
}
