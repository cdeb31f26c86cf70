package loop_test

import (
	"fmt"
	"math"
	"os"
	"testing"
	"time"

	"github.com/engramd/engramd/policy/replay"
	"github.com/engramd/engramd/policy/rightsize"
	"github.com/engramd/engramd/testenv/docker"
	"github.com/engramd/engramd/testenv/loop"
)

const following = quick + `
mode: auto
metrics: {interval: 1s}
targets:
  - {name: engram, docker: {container: engram, host: "{{.docker}}"}, limits: {cpu: {min: 100m, max: 1500m}}}
policies:
  - {name: size, target: engram, every: 2s, rightsize: {resources: [cpu]}}
`

// The recording is a part of vasim_c_12104 of microsoft/vasim (MIT), 90 minutes from a machine of 16 cores.
const (
	recording  = "testdata/demand.csv"
	recordedOn = 16.0
	mostCores  = 1.5
	leastCores = 0.1
	minute     = 2 * time.Second // of the recording, and one step of the policy
)

// scaledDemand is the recording, scaled so that the whole of its machine is mostCores.
func scaledDemand(t *testing.T) replay.Trace {
	t.Helper()
	f, err := os.Open(recording)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	tr, err := replay.Read(f, "demand", recordedOn)
	if err != nil {
		t.Fatal(err)
	}
	for i := range tr.Demand {
		tr.Demand[i] *= mostCores / recordedOn
	}
	return tr
}

// TestE2EFollowsARecording drives a container by a recording, thirty times faster than it was made, and compares what the
// running agent wastes and withholds with what the replay of the same policy says.
func TestE2EFollowsARecording(t *testing.T) {
	tr := scaledDemand(t)
	want, err := replay.Run(tr, replay.Rightsize(rightsize.CPU(leastCores, mostCores)), replay.Options{Host: mostCores, Start: mostCores, Min: leastCores})
	if err != nil {
		t.Fatal(err)
	}
	d := startEngine(t)
	c := run(t, d, docker.Spec{Name: "engram", Image: image, CPUs: mostCores})
	a := loop.Start(t, following, loop.Values{"docker": d.Host()})
	limits := loop.WatchCPU(t, c.ID)
	began := time.Now()
	for i, cores := range tr.Demand {
		c.Do(t, fmt.Sprintf("/demand?cores=%g", cores))
		next := time.NewTimer(time.Until(began.Add(time.Duration(i+1) * minute)))
		select {
		case <-next.C:
		case <-t.Context().Done():
			t.Fatal("the test was ended")
		}
	}
	var held, wasted, demanded, withheld float64
	for i, cores := range tr.Demand {
		at := began.Add(time.Duration(i) * minute)
		limit, ok := limits.Mean(at, at.Add(minute))
		if !ok {
			t.Fatalf("minute %d: the limit was not seen", i)
		}
		held, wasted = held+limit, wasted+math.Max(0, limit-cores)
		demanded, withheld = demanded+cores, withheld+math.Max(0, cores-limit)
	}
	slack, unmet := 100*wasted/held, 100*withheld/demanded
	up, down := directions(limits.Values())
	t.Logf("live: slack %.1f%%, unmet %.2f%%, limits %.3v; replay: slack %.1f%%, unmet %.2f%%, %d actions", slack, unmet, limits.Values(), want.Slack, want.Unmet, len(want.Actions))
	if up == 0 || down == 0 {
		t.Errorf("resized %d times up and %d times down, want both", up, down)
	}
	if math.Abs(slack-want.Slack) > 5 {
		t.Errorf("slack %.1f%%, and %.1f%% in the replay: more than 5 points apart", slack, want.Slack)
	}
	if math.Abs(unmet-want.Unmet) > 0.5 {
		t.Errorf("unmet %.2f%%, and %.2f%% in the replay: more than half a point apart", unmet, want.Unmet)
	}
	if again := c.Inspect(t); again.RestartCount != 0 || again.ID != c.ID {
		t.Error("the container was restarted")
	}
	a.Stop(t)
}

// directions counts the changes of a limit.
func directions(values []float64) (up, down int) {
	for i := 1; i < len(values); i++ {
		if values[i] > values[i-1] {
			up++
		} else {
			down++
		}
	}
	return up, down
}
