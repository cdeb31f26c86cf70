package hostloop_test

import (
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"github.com/engramd/engramd/testenv"
	"github.com/engramd/engramd/testenv/hostloop"
	"github.com/engramd/engramd/testenv/loop"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// quick makes in seconds what takes hours in production, and leaves the machine to the test.
const quick = `
validation: {settle: 4s, duration: 12s, every: 2s, effect: {checks: 3}}
safety:
  cooldown: {up: 1s, down: 1s}
  budget: {per_hour: 50, per_day: 50, emergencies_per_day: 50}
  reserve: {cpu: 0%, memory: 0%}
`

// soon is what anything may take that takes seconds on a machine with nothing else to do.
const soon = 60 * time.Second

// A picture is what must not change, or must come back.
type picture struct {
	PID, CPU, MemoryMax, MemoryHigh string
	Files                           map[string]string
}

func take(t *testing.T, u *hostloop.Unit) picture {
	t.Helper()
	return picture{u.PID(t), u.Limit(t, "cpu.max"), u.Limit(t, "memory.max"), u.Limit(t, "memory.high"), u.Files(t)}
}

func expect(t *testing.T, u *hostloop.Unit, want picture, when string) {
	t.Helper()
	if diff := cmp.Diff(want, take(t, u)); diff != "" {
		t.Errorf("%s: %s (-want +got):\n%s", when, u.Name, diff)
	}
}

// becomes waits for it.
func becomes(t *testing.T, u *hostloop.Unit, want picture, when string) {
	t.Helper()
	deadline := time.Now().Add(testenv.Patience(soon))
	testenv.Eventually(t, 2*soon, u.Name+" is as it was, "+when, func() bool {
		return cmp.Equal(want, take(t, u)) || time.Now().After(deadline)
	})
	expect(t, u, want, when)
}

// finals waits for the end of the first action on each target.
func finals(t *testing.T, a *loop.Agent, targets ...string) map[string]loop.Action {
	t.Helper()
	ended := map[string]loop.Action{}
	for _, target := range targets {
		x := a.Await(t, 2*soon, "the action on "+target+" is over", func(x loop.Action) bool { return x.Target == target && x.Final() })
		t.Logf("%s: %s %s -> %s: %s: %s", target, x.Resource, x.From, x.To, x.State, x.Reason)
		ended[target] = x
	}
	return ended
}

func names(units map[string]*hostloop.Unit) []string { return slices.Sorted(maps.Keys(units)) }
