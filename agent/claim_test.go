package agent

import (
	"path/filepath"
	"testing"
	"time"

	"github.com/engramd/engramd/agent/journal/hostlock"
)

// isFree fails unless another agent could take the service now.
func (w *world) isFree(service string) {
	w.t.Helper()
	lock, err := hostlock.Dir(filepath.Join(w.locks, "engramd")).TryLock("fake/"+service, "/other")
	if err != nil {
		w.t.Error(err)
		return
	}
	if err := lock.Close(); err != nil {
		w.t.Error(err)
	}
}

// A platform that takes its time to name a target gets the lock taken after nobody wants it any more.
func TestALateLockIsGivenBack(t *testing.T) {
	t.Run("the agent has stopped", func(t *testing.T) {
		inEmptyWorld(t, "", func(w *world) {
			w.keyed, w.slowKey = true, 5*time.Second
			w.driver.Add("app", busy(1000, 0.5))
			w.start("agent.yaml")
			w.pass(time.Second)
			w.stop()
			w.isFree("app")
		})
	})
	t.Run("the target was removed", func(t *testing.T) {
		inEmptyWorld(t, "", func(w *world) {
			w.keyed, w.slowKey = true, 5*time.Second
			w.driver.Add("app", busy(1000, 0.5))
			w.driver.Add("db", busy(1000, 0.5))
			w.start("agent.yaml")
			w.pass(time.Second)
			w.edit("name: app", "name: db")
			w.edit("service: app", "service: db")
			w.edit("target: app", "target: db")
			w.reload()
			w.pass(10 * time.Second)
			w.isFree("app")
		})
	})
}

// reload has the agent read agent.yaml again.
func (w *world) reload() {
	w.t.Helper()
	if _, err := w.agent.Reload(w.t.Context()); err != nil {
		w.t.Error(err)
	}
}
