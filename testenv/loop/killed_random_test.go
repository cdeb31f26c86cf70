package loop_test

import (
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/engramd/engramd/testenv"
	"github.com/engramd/engramd/testenv/loop"
)

// TestE2EKilledAtRandom kills engramd again and again at moments that nobody chose, while it restarts some containers, most of
// which cannot take it. Once it
// is let live, every action ends, and every container is one of the two that it may be.
func TestE2EKilledAtRandom(t *testing.T) {
	t.Parallel()
	const kills = 10
	seed := rand.Uint64()
	t.Logf("the seed is %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	k := prepareKills(t, "restart", []kill{
		{name: "well"}, {name: "sick-one", sick: true, starts: 100}, {name: "sick-two", sick: true, starts: 100},
		{name: "sick-three", sick: true, starts: 100}, {name: "sick-four", sick: true, starts: 100},
	})
	k.values["cooldown"] = "1s" // what was taken back is tried again
	k.a.Configure(t, doubled, k.values)
	k.a.Do(t, "reload")
	for range kills {
		lives := time.Duration(random.Int64N(int64(7 * time.Second)))
		began := time.Now()
		testenv.Eventually(t, soon, "it has lived long enough", func() bool { return time.Since(began) >= lives })
		k.a.Kill(t)
		k.a.Launch(t)
	}
	k.a.Kill(t)
	k.restart(t)
	open := func(x loop.Action) bool { return !x.Final() && x.State != "waiting" }
	testenv.Eventually(t, 2*time.Minute, "every action has ended", func() bool {
		all := k.a.Actions(t)
		return !slices.ContainsFunc(all, open) && len(all) >= len(k.victims)
	})
	t.Logf("what became of it:\n%s", loop.Story(k.a.Actions(t)))
	for _, v := range k.victims {
		all := k.a.Actions(t)
		v.action = all[slices.IndexFunc(all, func(x loop.Action) bool { return x.Target == v.name })]
		v.same, v.size = true, small
		if slices.Contains(strings.Fields(stays), v.action.State) {
			v.same, v.size = false, big
			if v.sick {
				t.Errorf("%s is sick at its new size, and kept it: %s: %s", v.name, v.action.State, v.action.Reason)
			}
		} else if v.action.State == "failed" || v.action.State == "superseded" {
			t.Errorf("%s: %s: %s", v.name, v.action.State, v.action.Reason)
		}
		k.expectOne(t, v)
		if m := v.c.Maintenance(t); m.Enabled {
			t.Errorf("%s: maintenance is on (%s)", v.name, m.Owner)
		}
	}
	k.census.Expect(t)
}
