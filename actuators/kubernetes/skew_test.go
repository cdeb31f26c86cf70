package kubernetes_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/engramd/engramd/actuators"
	"github.com/engramd/engramd/policy"
)

// Neither waits nor deadlines depend on whether the API server's clock agrees with ours.
func TestClockSkew(t *testing.T) {
	const century = 100 * 365 * 24 * time.Hour
	for name, skew := range map[string]time.Duration{"behind": -century, "ahead": century} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				m := newModel(t)
				m.skew = skew
				target := m.start(service{kind: "StatefulSet", pods: 2, resources: ratio("100m", "200m")})
				m.commit(target, cpu(300))
				began := time.Now()
				plan := m.planned(byRestart(target), cpu(400))
				m.must(m.do(target, plan))
				m.must(m.undo(target, plan))
				if took := time.Since(began); took > 5*time.Second {
					t.Errorf("took %s of our time", took)
				}
				equal(t, "sizes", m.sizes(target, policy.CPU), []string{"300m", "300m"})
				m.set(func(m *model) { m.broken = true })
				began = time.Now()
				m.wants(m.do(target, m.planned(byRestart(target), cpu(400))), actuators.ErrTransient)
				if took := time.Since(began); took < time.Minute || took > 2*time.Minute {
					t.Errorf("a rollout that does not end was given up after %s of our time", took)
				}
			})
		})
	}
}
