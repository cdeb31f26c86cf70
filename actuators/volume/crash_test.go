package volume_test

import (
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/engramd/engramd/actuators"
	"github.com/engramd/engramd/actuators/fake"
	"github.com/engramd/engramd/actuators/volume"
	"github.com/engramd/engramd/policy"
)

// A life is one process of engramd over a model: its executor and driver.
type life struct {
	driver   *volume.Driver
	executor *actuators.Executor
	trace    *fake.Trace
}

func (m *model) live(journal *fake.Journal) life {
	l := life{driver: m.driver(), trace: &fake.Trace{}}
	l.executor = actuators.NewExecutor(actuators.Config{Drivers: map[string]actuators.Driver{"volume": l.driver}, Journal: journal, Events: l.trace})
	return l
}

// grown plans a growth and hands it to the executor.
func (m *model) grown(l life, to int64) error {
	target := m.target(nil)
	st, err := l.driver.Observe(m.t.Context(), target)
	m.must(err)
	from, _ := st.Parts[0].Size(policy.Storage)
	a := actuators.Action{
		ID: "a1", TargetName: target.Name, Target: target, Driver: "volume", Resource: policy.Storage, State: actuators.Waiting,
		Direction: policy.Growth, From: from, To: policy.Amount(to), First: from, Parts: actuators.PartIDsOf(st),
	}
	a.Procedure.Validation = actuators.Validation{Settle: 10 * time.Second, Every: 5 * time.Second, Duration: time.Minute, Checks: 3}
	a.Plan, err = l.driver.Plan(target, st, storage(to))
	m.must(err)
	return l.executor.Start(m.t.Context(), a)
}

// last is the action as the journal has it.
func (m *model) last(journal *fake.Journal) actuators.Action {
	m.t.Helper()
	all, err := journal.Actions()
	m.must(err)
	if len(all) != 1 {
		m.t.Fatalf("%d actions in the journal", len(all))
	}
	all[0].Target = m.target(nil)
	return all[0]
}

var errDead = errors.New("the process is dead")

// TestCrash kills the process before and after the effect of every tool, the one of growpart also
// before the kernel has heard of it: a successor finishes the growth forward.
func TestCrash(t *testing.T) {
	for _, fs := range []string{"ext4", "xfs"} {
		for _, after := range []bool{false, true} {
			for at := 1; at <= 2; at++ {
				t.Run(fmt.Sprintf("%s, tool %d, after its effect %t", fs, at, after), func(t *testing.T) {
					synctest.Test(t, func(t *testing.T) { crash(t, fs, at, after) })
				})
			}
		}
	}
}

func crash(t *testing.T, fs string, at int, after bool) {
	m := newModel(t, fs, 8*gib, true)
	m.grow(16 * gib)
	m.killAt, m.killAfter = at, after
	journal := fake.NewJournal()
	journal.OnPut(func(int, actuators.Action) error {
		m.mu.Lock()
		defer m.mu.Unlock()
		if m.dead {
			return errDead
		}
		return nil
	})
	first := m.live(journal)
	m.must(m.grown(first, 16*gib))
	time.Sleep(time.Minute)
	first.executor.Close(errDead)
	left := m.last(journal)
	if !m.dead || left.State != actuators.Applying || !actuators.NeedsRecovery(left) {
		t.Fatalf("dead %t, left %s", m.dead, left.State)
	}

	m.killAt = 0
	second := m.live(journal)
	if err := second.executor.Recover(t.Context(), left); err != nil {
		t.Fatal(err)
	}
	time.Sleep(5 * time.Minute)
	second.executor.Close(errDead)
	end := m.last(journal)
	if end.State != actuators.Committed && end.State != actuators.Inconclusive && end.State != actuators.Kept {
		t.Errorf("it ended %s: %s; tools: %q", end.State, end.Reason, m.calls)
	}
	st, err := second.driver.Observe(t.Context(), m.target(nil))
	m.must(err)
	if got := st.Parts[0].Effective[policy.Storage]; got != policy.Amount(16*gib) {
		t.Errorf("it reaches %v; tools: %q", got, m.calls)
	}
}

// TestStopped has what makes an action end: before anything was changed it is taken back, and after it
// a person is needed.
func TestStopped(t *testing.T) {
	for _, c := range []struct {
		name  string
		given func(m *model)
		state actuators.ActionState
		says  string
	}{
		{"remounted from elsewhere meanwhile", func(m *model) {
			m.write("proc/self/mountinfo", "39 27 252:17 / /var/lib/engram ro - ext4 /dev/vdb1 ro\n")
		}, actuators.RolledBack, "read-only"},
		{"growpart fails", func(m *model) { m.says["growpart"] = errors.New("FAILED: the table is damaged") }, actuators.Committed, ""},
		{"growpart fails twice", func(m *model) {
			m.says["growpart"], m.says["growpart again"] = errors.New("FAILED: the table is damaged"), errors.New("FAILED: it still is")
		}, actuators.Failed, "it still is"},
		{"another tool is at it", func(m *model) { m.says["resize2fs"] = errors.New("resize2fs: Device or resource busy") }, actuators.Committed, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				m := newModel(t, "ext4", 8*gib, true)
				m.grow(16 * gib)
				journal := fake.NewJournal()
				l := m.live(journal)
				once := false
				journal.OnPut(func(_ int, a actuators.Action) error {
					if a.State == actuators.Applying && !once {
						once = true
						c.given(m)
					}
					return nil
				})
				m.must(m.grown(l, 16*gib))
				time.Sleep(20 * time.Minute)
				l.executor.Close(errDead)
				end := m.last(journal)
				ok := end.State == c.state || c.state == actuators.Committed && (end.State == actuators.Kept || end.State == actuators.Inconclusive)
				if !ok || c.says != "" && !contains(end.Reason, c.says) {
					t.Errorf("it ended %s: %s\ntools %q", end.State, end.Reason, m.calls)
				}
			})
		})
	}
}
