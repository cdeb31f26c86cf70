package telemetry_test

import (
	"context"
	"errors"
	"fmt"
	"math"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/engramd/engramd/actuators"
	"github.com/engramd/engramd/actuators/cgroup"
	"github.com/engramd/engramd/agent/telemetry"
	"github.com/engramd/engramd/policy"
)

// A cluster is a platform whose parts run on other hosts: it tells what each of them used.
type cluster struct {
	mu    sync.Mutex
	parts []actuators.Part
	stats map[string]cgroup.Stats
	err   error
	hangs bool
	most  int // calls at once
	now   int
}

func (c *cluster) observe(context.Context) (actuators.State, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return actuators.State{Parts: c.parts}, nil
}

func (c *cluster) measure(ctx context.Context, p actuators.Part) (cgroup.Stats, error) {
	c.mu.Lock()
	c.now++
	c.most = max(c.most, c.now)
	st, err, hangs := c.stats[p.ID], c.err, c.hangs
	c.mu.Unlock()
	time.Sleep(time.Millisecond)
	if hangs {
		<-ctx.Done()
		err = ctx.Err()
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now--
	return st, err
}

// use says what a part has used by now.
func (c *cluster) use(id string, cpu time.Duration, throttled, periods, memory int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	var st cgroup.Stats
	st.CPU.Used, st.CPU.ThrottledPeriods, st.CPU.Periods = &cpu, &throttled, &periods
	st.Memory.Usage, st.Memory.WorkingSet = &memory, &memory
	c.stats[id] = st
}

func pod(id string, cores int64) actuators.Part {
	size := policy.Size{policy.CPU: policy.Amount(cores * 1000), policy.Memory: policy.Amount(1 << 30)}
	return actuators.Part{ID: id, Name: "pod-" + id, Running: true, StartedAt: time.Unix(946684000, 0), Configured: size, Effective: size}
}

func inCluster(t *testing.T, f func(t *testing.T, c *cluster, tel *telemetry.Telemetry, b *book)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		m, b := newMachine(t), &book{}
		c := &cluster{parts: []actuators.Part{pod("a", 2), pod("b", 2)}, stats: map[string]cgroup.Stats{}}
		c.use("a", 10*time.Second, 0, 100, 100<<20)
		c.use("b", 20*time.Second, 0, 100, 200<<20)
		tel := open(t, telemetry.Options{Root: m.root, Log: b.log(), Config: telemetry.Config{Interval: interval,
			Targets: []telemetry.Target{{Name: "web", Observe: c.observe, Measure: c.measure, PerPart: true}}}})
		run(t, tel)
		time.Sleep(time.Second)
		f(t, c, tel, b)
	})
}

// What runs on other hosts is measured as what runs here, each pod by itself, and the worst of them
// speaks for the target.
func TestPartsOnOtherHostsAreMeasured(t *testing.T) {
	inCluster(t, func(t *testing.T, c *cluster, tel *telemetry.Telemetry, _ *book) {
		from := time.Now()
		c.use("a", 10*time.Second+interval/2, 15, 250, 150<<20)
		c.use("b", 20*time.Second+2*interval, 150, 250, 300<<20)
		time.Sleep(interval)
		synctest.Wait()
		for expr, want := range map[string]float64{
			`engramd_target_cpu_seconds_total{target="web", pod="pod-a"}`: (10*time.Second + interval/2).Seconds(),
			`engramd_target_cpu_seconds_total{target="web", pod="pod-b"}`: (20*time.Second + 2*interval).Seconds(),
			`max(engramd_target_cpu_limit_cores{target="web"})`:           2,
			`max(engramd_target_memory_working_set_bytes{pod="pod-b"})`:   300 << 20,
			`max(engramd_target_memory_limit_bytes{target="web"})`:        1 << 30,
			`max(engramd_target_memory_unlimited{target="web"})`:          0,
			`engramd_target_up{target="web"}`:                             1,
		} {
			got := now(t, tel, expr)
			if len(got) != 1 {
				t.Errorf("%s: %v", expr, got)
			}
			for _, v := range got {
				if math.Abs(v-want) > 1e-9 {
					t.Errorf("%s is %g, want %g", expr, v, want)
				}
			}
		}
		u := tel.Used("web", from.Add(-interval), time.Now())
		if u.Cores == nil || *u.Cores != 2 || u.ThrottledRatio == nil || *u.ThrottledRatio != 1 || u.CPULimit == nil || *u.CPULimit != 2 {
			t.Errorf("used: %+v", u)
		}
		c.use("b", 20*time.Second+2*interval, 150, 250, 400<<20)
		now, err := tel.Sample(t.Context(), "web")
		if n, ok := now.InUse(); err != nil || !ok || n != 400<<20 {
			t.Errorf("sampled %+v, %v", now, err)
		}
	})
}

// A container that started again counts from nothing, and that is no rate.
func TestARestartOnAnotherHost(t *testing.T) {
	inCluster(t, func(t *testing.T, c *cluster, tel *telemetry.Telemetry, _ *book) {
		from := time.Now()
		time.Sleep(interval)
		c.use("b", time.Second, 0, 10, 1<<20)
		c.mu.Lock()
		c.parts[1].StartedAt, c.parts[1].Restarts = time.Now(), 1
		c.mu.Unlock()
		time.Sleep(2 * interval)
		synctest.Wait()
		u := tel.Used("web", from.Add(-interval), time.Now())
		if u.Cores == nil || *u.Cores != 0 || u.Restarts == nil || *u.Restarts != 1 {
			t.Errorf("used: %+v", u)
		}
	})
}

// Where nothing can be measured, the platform's limits are there and use is unknown, not zero.
func TestPartsThatCannotBeMeasured(t *testing.T) {
	for name, fail := range map[string]func(c *cluster){
		"refused": func(c *cluster) { c.err = errors.New("nodes/metrics is forbidden") },
		"hangs":   func(c *cluster) { c.hangs = true },
	} {
		t.Run(name, func(t *testing.T) {
			inCluster(t, func(t *testing.T, c *cluster, tel *telemetry.Telemetry, b *book) {
				c.mu.Lock()
				fail(c)
				c.mu.Unlock()
				time.Sleep(5 * interval)
				synctest.Wait()
				if got := now(t, tel, `engramd_target_cpu_limit_cores{target="web"}`); len(got) != 2 {
					t.Errorf("limits: %v", got)
				}
				if got := now(t, tel, `engramd_target_cpu_seconds_total{target="web"}`); len(got) != 0 {
					t.Errorf("use: %v", got)
				}
				if u := tel.Used("web", time.Now().Add(-2*interval), time.Now()); u.Cores != nil {
					t.Errorf("used: %+v", u)
				}
				if u, err := tel.Sample(t.Context(), "web"); err == nil {
					t.Errorf("sampled %+v", u)
				}
				if n := b.count("some of a target cannot be read"); n != 1 {
					t.Errorf("it was logged %d times", n)
				}
			})
		})
	}
}

func TestManyPartsAreAskedAFewAtATime(t *testing.T) {
	inCluster(t, func(t *testing.T, c *cluster, tel *telemetry.Telemetry, _ *book) {
		c.mu.Lock()
		for i := range 100 {
			c.parts = append(c.parts, pod(fmt.Sprintf("n%d", i), 1))
		}
		c.parts = append(c.parts, actuators.Part{ID: "starting", Name: "pod-starting"})
		c.mu.Unlock()
		time.Sleep(interval)
		synctest.Wait()
		if c.most < 2 || c.most > 8 {
			t.Errorf("%d were asked at once", c.most)
		}
		if got := now(t, tel, `count(engramd_target_cpu_limit_cores{target="web"})`); got["{}"] != 102 {
			t.Errorf("parts: %v", got)
		}
	})
}
