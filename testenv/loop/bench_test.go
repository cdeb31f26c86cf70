package loop_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/engramd/engramd/testenv"
	"github.com/engramd/engramd/testenv/docker"
	"github.com/engramd/engramd/testenv/loop"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// image is the workload as it should be.
const image = "workload:good"

// startEngine starts a Docker engine with the workload's image.
func startEngine(t *testing.T, options ...docker.Option) *docker.Daemon {
	t.Helper()
	d := docker.Start(t, options...)
	d.BuildImage(t, image, docker.Good())
	return d
}

// quick makes in seconds what takes hours in production, and leaves the machine to the test.
const quick = `
validation: {settle: 2s, duration: 8s, every: 1s, effect: {checks: 3}}
safety:
  cooldown: {up: 1s, down: 1s}
  budget: {per_hour: 50, per_day: 50, emergencies_per_day: 50}
  reserve: {cpu: 0%, memory: 0%}
`

// cpuUse is a target's CPU use in per cent of its limit: of five samples, however punctual they are.
const cpuUse = `100 * sum(rate(engramd_target_cpu_seconds_total{target="$target"}[4500ms])) / max(engramd_target_cpu_limit_cores{target="$target"})`

// soon is what anything may take that takes seconds on a machine with nothing else to do.
const soon = 90 * time.Second

// run starts a container whose workload is not held back by whatever else the machine does: a test of limits must not
// depend on who else wants a core. Its limits hold all the same.
func run(t *testing.T, d *docker.Daemon, spec docker.Spec) *docker.Container {
	t.Helper()
	c := d.Run(t, spec)
	dir, v2, err := testenv.Cgroup(t, c.ID).Dir("cpu")
	file, most := "cpu.shares", "262144"
	if v2 {
		file, most = "cpu.weight", "10000"
	}
	if err == nil { // above the containers is the cgroup of this engine alone
		err = os.WriteFile(filepath.Join(filepath.Dir(dir), file), []byte(most), 0)
	}
	if err != nil {
		t.Fatalf("favour the container's cgroup: %v", err)
	}
	return c
}

// throttled is the share of the next periods in which the kernel holds a container back.
func throttled(t *testing.T, id string) float64 {
	t.Helper()
	const periods = 20
	before := testenv.CPUStat(t, id)
	after := before
	testenv.Eventually(t, soon, "the container has run for some more periods", func() bool {
		after = testenv.CPUStat(t, id)
		return after.Periods >= before.Periods+periods
	})
	return float64(after.Throttled-before.Throttled) / float64(after.Periods-before.Periods)
}

// firstOver is the time of the first sample at which a target's use, an expression with $target in it, was at or above a
// threshold.
func firstOver(t *testing.T, a *loop.Agent, use, target string, threshold float64) time.Time {
	t.Helper()
	use = strings.ReplaceAll(use, "$target", target)
	samples := a.Samples(t, fmt.Sprintf(`engramd_target_cpu_seconds_total{target=%q}`, target), 2*time.Minute)
	for i, s := range samples {
		// The agent looks some time after a sample, and rate() extrapolates: until the next sample comes the same samples say more or less.
		until := s.At.Add(time.Second)
		if i+1 < len(samples) {
			until = samples[i+1].At
		}
		for at := s.At; at.Before(until); at = at.Add(50 * time.Millisecond) {
			if value, ok := a.Value(t, use, at); ok && value >= threshold {
				return s.At
			}
		}
	}
	t.Fatalf("no sample of %s is over the threshold", target)
	return time.Time{}
}

// expectLimits fails unless a limit had exactly these values, in this order.
func expectLimits(t *testing.T, trace *loop.Trace, want ...float64) {
	t.Helper()
	got := trace.Values()
	same := len(got) == len(want)
	for i := 0; same && i < len(want); i++ {
		same = got[i] == want[i]
	}
	if !same {
		t.Errorf("the kernel's limit was %v in turn, want %v", got, want)
	}
}
