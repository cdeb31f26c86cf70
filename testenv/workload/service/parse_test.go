package service

import (
	"strings"
	"testing"
	"time"
)

func TestFromEnv(t *testing.T) {
	env := map[string]string{
		"WORKLOAD_LISTEN": "0.0.0.0:80", "WORKLOAD_WORKERS": "3", "WORKLOAD_WINDOW": "1m", "WORKLOAD_PROCS": "auto",
		"WORKLOAD_MEMORY": "2Mi", "WORKLOAD_UNHEALTHY": "cpus>1.5",
	}
	c, err := FromEnv(func(key string) string { return env[key] })
	want := Config{Listen: "0.0.0.0:80", Workers: 3, Window: time.Minute, Procs: ProcsAuto, Memory: 2 << 20,
		Unhealthy: Condition{"cpus>", 1.5}}
	if c != want || err != nil {
		t.Errorf("FromEnv = %+v, %v", c, err)
	}
	bad := map[string]string{"WORKLOAD_WORKERS": "x", "WORKLOAD_PROCS": "0", "WORKLOAD_CRASH": "maybe"}
	_, err = FromEnv(func(key string) string { return bad[key] })
	for key := range bad {
		if err == nil || !strings.Contains(err.Error(), key) {
			t.Errorf("the error does not name %s: %v", key, err)
		}
	}
}

func TestConditionHolds(t *testing.T) {
	now := facts{age: 3 * time.Second, starts: 2, cores: 1.5, memory: 64 << 20}
	for text, want := range map[string]bool{
		"": false, "never": false, "always": true, "after=2s": true, "after=4s": false, "start=2": true, "start=1": false,
		"cpus>1": true, "cpus>1.5": false, "memory>63Mi": true, "memory>64Mi": false,
	} {
		c, err := ParseCondition(text)
		if err != nil || c.holds(now) != want {
			t.Errorf("%q holds = %v, %v", text, c.holds(now), err)
		}
	}
}

func TestMaintenanceExpires(t *testing.T) {
	now := time.Unix(1000, 0)
	m := newMaintenance(func() time.Time { return now })
	if _, err := m.enable("engramd", time.Minute); err != nil {
		t.Fatal(err)
	}
	now = now.Add(50 * time.Second)
	renewed, err := m.enable("engramd", time.Minute)
	if err != nil || !renewed.Since.Equal(time.Unix(1000, 0)) {
		t.Errorf("renewed: %+v, %v", renewed, err)
	}
	now = now.Add(59 * time.Second)
	if m.admit("write") {
		t.Error("a write was admitted before the ttl was over")
	}
	now = now.Add(time.Second)
	if m.get().Enabled || !m.admit("write") {
		t.Error("maintenance outlived its ttl")
	}
}

func TestWindowForgets(t *testing.T) {
	w := &window{span: time.Second}
	start := time.Unix(0, 0)
	w.add(outcome{at: start, took: time.Hour, failed: true})
	for i := range 100 {
		w.add(outcome{at: start.Add(time.Second), took: time.Duration(i) * time.Millisecond})
	}
	if p99, n, failed := w.summary(start.Add(time.Second)); p99 != 99*time.Millisecond || n != 101 || failed != 1 {
		t.Errorf("summary = %v, %d, %d", p99, n, failed)
	}
	if p99, n, _ := w.summary(start.Add(1100 * time.Millisecond)); p99 != 98*time.Millisecond || n != 100 {
		t.Errorf("later: %v, %d", p99, n)
	}
	if _, n, _ := w.summary(start.Add(time.Minute)); n != 0 {
		t.Errorf("%d requests are remembered for ever", n)
	}
}

func FuzzParsers(f *testing.F) {
	for _, seed := range []string{"after=2s", "memory>128Mi", "start=", "1Gi", `{"ttl": 5}`, `{"ttl": "x"`} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if c, err := ParseCondition(text); err != nil && c != (Condition{}) {
			t.Errorf("condition %q: %+v with %v", text, c, err)
		}
		if n, err := ParseBytes(text); n < 0 {
			t.Errorf("size %q: %d, %v", text, n, err)
		}
		if _, ttl, err := readOwner(strings.NewReader(text)); err == nil && ttl < 0 {
			t.Errorf("body %q: ttl %v", text, ttl)
		}
	})
}
