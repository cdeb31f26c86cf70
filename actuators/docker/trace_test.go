package docker_test

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/engramd/engramd/actuators"
	"github.com/engramd/engramd/policy"
)

var rewrite = flag.Bool("rewrite", false, "write the golden traces anew")

// golden compares text with the file testdata/name.txt.
func golden(t *testing.T, name, text string) {
	t.Helper()
	path := filepath.Join("testdata", name+".txt")
	if *rewrite {
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), text); diff != "" {
		t.Errorf("%s (-want +got, -rewrite to accept):\n%s", path, diff)
	}
}

// TestTraces shows, for each way of changing a container, the plan and every call that changes
// something, forward, to the end, and back.
func TestTraces(t *testing.T) {
	quota := `{"NanoCpus":0,"CpuQuota":25000,"CpuPeriod":50000,"Memory":268435456,"MemorySwap":-1,"MemoryReservation":134217728,"NetworkMode":"front"}`
	both := policy.Size{policy.CPU: policy.Amount(4000), policy.Memory: policy.Amount(1 << 30)}
	options := func(t *policy.Target) {
		t.Memory = policy.MemoryOptions{Reservation: 0.5, Swap: policy.SwapKeepRatio}
	}
	traces := []change{
		{"live", limited, both, func(*policy.Target) {}},
		{"live_options", limited, both, options},
		{"live_quota", quota, both, func(*policy.Target) {}},
		{"live_unset_cpu", unlimited, size(policy.CPU, 1500), func(*policy.Target) {}},
		{"live_decrease", limited, size(policy.Memory, 128<<20), func(*policy.Target) {}},
		{"restart", limited, both, byRestart(policy.CPU)},
		{"restart_quota", quota, size(policy.CPU, 1500), byRestart(policy.CPU)},
		{"to_unset", limited, policy.Size{policy.CPU: policy.Quantity{}, policy.Memory: policy.Quantity{}}, func(*policy.Target) {}},
		{"adopt", unlimited, size(policy.Memory, 512<<20), func(t *policy.Target) { t.AdoptUnlimited = true }},
		{"grow_live_decrease", limited, size(policy.Memory, 128<<20), func(t *policy.Target) {
			t.Apply = map[policy.Resource]policy.Apply{policy.Memory: policy.ApplyGrowLive}
		}},
		{"grow_live_growth", limited, size(policy.Memory, 512<<20), func(t *policy.Target) {
			t.Apply = map[policy.Resource]policy.Apply{policy.Memory: policy.ApplyGrowLive}
		}},
		{"no_swap", limited, size(policy.Memory, 512<<20), func(t *policy.Target) { t.Memory.Swap = policy.SwapNone }},
		{"no_swap_from_unlimited", quota, size(policy.Memory, 512<<20), func(t *policy.Target) { t.Memory.Swap = policy.SwapNone }},
		{"nothing_to_do", limited, size(policy.CPU, 2000), func(*policy.Target) {}},
	}
	for _, c := range traces {
		t.Run(c.name, func(t *testing.T) {
			var text strings.Builder
			f, target, p := c.planOn(t)
			write := func(title string, lines ...string) {
				fmt.Fprintf(&text, "-- %s --\n%s", title, strings.Join(append(lines, ""), "\n"))
			}
			steps := []string{string(p.Strategy)}
			for _, s := range p.Steps {
				steps = append(steps, s.Kind+": "+s.Text)
			}
			write("plan", append(steps, p.Notes...)...)
			write("command", strings.ReplaceAll(p.Command, " -H "+f.host(), ""))
			driver := newDriver(t)
			run := func(title string, fn func() error) {
				f.reset()
				err := fn()
				lines := f.changed()
				if err != nil {
					lines = append(lines, err.Error())
				}
				write(title, lines...)
			}
			run("do", func() error { _, err := carry(t.Context(), driver, target, p); return err })
			write("then", f.snapshot()...)
			run("undo", func() error { return back(t.Context(), driver, target, p.Steps) })
			write("then", f.snapshot()...)
			run("undo again", func() error { return back(t.Context(), driver, target, p.Steps) })
			run("do", func() error { _, err := carry(t.Context(), driver, target, p); return err })
			run("finish", func() error { return driver.Finish(t.Context(), target, p.Steps) })
			write("then", f.snapshot()...)
			golden(t, c.name, text.String())
		})
	}
}

func TestPlanRefuses(t *testing.T) {
	tests := []struct {
		name, host string
		config     map[string]string // of the container, as JSON
		to         policy.Size
		target     func(*policy.Target)
		say        string
	}{
		{"beyond the host", limited, nil, size(policy.CPU, 9000), nil, "the host has 8"},
		{"too little CPU", limited, nil, size(policy.CPU, 9), nil, "0.01"},
		{"too little memory", limited, nil, size(policy.Memory, 5<<20), nil, "6Mi"},
		{"unlimited memory", unlimited, nil, size(policy.Memory, 1<<30), nil, "adopt_unlimited: true"},
		{"what docker has not", limited, nil, size(policy.Replicas, 2), nil, "replicas"},
		{"swarm", limited, map[string]string{"Labels": `{"com.docker.swarm.task.id":"x","com.docker.swarm.service.name":"web"}`}, size(policy.CPU, 1000), nil, "docker service update"},
		{"pod", limited, map[string]string{"Labels": `{"io.kubernetes.pod.name":"web-0"}`}, size(policy.CPU, 1000), nil, "kubernetes target"},
		{"--rm", strings.Replace(limited, "{", `{"AutoRemove":true,`, 1), nil, size(policy.CPU, 1000), byRestart(policy.CPU), "--rm"},
		{"--rm adopted", strings.Replace(unlimited, "{", `{"AutoRemove":true,`, 1), nil, size(policy.Memory, 1<<30), func(t *policy.Target) { t.AdoptUnlimited = true }, "--rm"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			f := newFakeAPI(t)
			c := f.add("engram", test.host)
			for key, value := range test.config {
				c.Config[key] = json.RawMessage(value)
			}
			if test.target == nil {
				test.target = func(*policy.Target) {}
			}
			target := targetAt(f.host(), "engram", test.target)
			driver := newDriver(t)
			st, err := driver.Observe(t.Context(), target)
			if err != nil {
				t.Fatal(err)
			}
			p, err := driver.Plan(target, st, test.to)
			if !strings.Contains(fmt.Sprint(err), "refused") || !strings.Contains(fmt.Sprint(err), test.say) {
				t.Errorf("got plan %+v, error %v; want a refusal that says %q", p, err, test.say)
			}
		})
	}
}

// TestDriftIsAppliedAgain is about systemctl daemon-reload, which takes a live update out of the cgroup
// and leaves Docker believing in it.
func TestDriftIsAppliedAgain(t *testing.T) {
	f := newFakeAPI(t)
	f.add("engram", limited)
	target, driver := targetAt(f.host(), "engram"), newDriver(t)
	st, err := driver.Observe(t.Context(), target)
	if err != nil {
		t.Fatal(err)
	}
	st.Parts[0].Effective[policy.CPU] = policy.Unlimited()
	p, err := driver.Plan(target, st, size(policy.CPU, 2000))
	if err != nil || len(p.Steps) != 1 || p.Command == "" {
		t.Errorf("configured as wanted, and not so in effect: plan %+v, %v; want the update", p, err)
	}
}

// TestManyWaitForOneSilentDaemon has many targets on a daemon that does not answer: none waits for
// the others' time, too.
func TestManyWaitForOneSilentDaemon(t *testing.T) {
	f := newFakeAPI(t)
	f.breakAt(func(int, *http.Request) fault { return hang })
	target, driver := targetAt(f.host(), "engram"), newDriver(t)
	began := time.Now()
	var wg sync.WaitGroup
	for range 20 {
		wg.Go(func() {
			ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
			defer cancel()
			if _, err := driver.Observe(ctx, target); !errors.Is(err, actuators.ErrTransient) {
				t.Errorf("got %v, want a transient error", err)
			}
		})
	}
	wg.Wait()
	if took := time.Since(began); took > 3*time.Second {
		t.Errorf("20 calls of 0.3 s took %s", took)
	}
}

// TestSomebodyElse is about people and programs that touch the same container meanwhile.
func TestSomebodyElse(t *testing.T) {
	restart := changes[3]
	t.Run("starts the old container again", func(t *testing.T) {
		f, target, p := restart.planOn(t)
		driver := newDriver(t)
		if _, err := carry(t.Context(), driver, target, actuators.Plan{Steps: p.Steps[:4]}); err != nil {
			t.Fatal(err)
		}
		f.edit(func() { f.find("engram.engramd-c0ffee01c0ff").Running = true })
		if err := driver.Do(t.Context(), target, p.Steps[4]); err != nil {
			t.Fatal(err)
		}
		if all := f.snapshot(); !strings.Contains(all[0], "running=true") || !strings.Contains(all[1], "running=false") {
			t.Errorf("left %v", all)
		}
	})
	t.Run("makes another container of that name", func(t *testing.T) {
		f, target, p := restart.planOn(t)
		driver := newDriver(t)
		if _, err := carry(t.Context(), driver, target, actuators.Plan{Steps: p.Steps[:3]}); err != nil {
			t.Fatal(err)
		}
		f.add("engram", limited)
		before := f.snapshot()
		_, err := carry(t.Context(), driver, target, actuators.Plan{Steps: p.Steps[3:]})
		undone := back(t.Context(), driver, target, p.Steps[:4])
		for _, err := range []error{err, undone} {
			if !strings.Contains(fmt.Sprint(err), "refused") || !strings.Contains(fmt.Sprint(err), "another container") {
				t.Errorf("got %v, want a refusal", err)
			}
		}
		if diff := cmp.Diff(before, f.snapshot()); diff != "" {
			t.Errorf("somebody else's container was touched:\n%s", diff)
		}
	})
	t.Run("removes the old container", func(t *testing.T) {
		f, target, p := restart.planOn(t)
		driver := newDriver(t)
		if _, err := carry(t.Context(), driver, target, p); err != nil {
			t.Fatal(err)
		}
		f.edit(func() { delete(f.containers, f.find("engram.engramd-c0ffee01c0ff").ID) })
		before := f.snapshot()
		if err := back(t.Context(), driver, target, p.Steps); !strings.Contains(fmt.Sprint(err), "no way back") {
			t.Errorf("got %v, want a refusal", err)
		}
		if diff := cmp.Diff(before, f.snapshot()); diff != "" {
			t.Errorf("the new container was touched:\n%s", diff)
		}
	})
	t.Run("finishes what was taken back", func(t *testing.T) {
		f, target, p := restart.planOn(t)
		driver := newDriver(t)
		before := f.snapshot()
		if _, err := carry(t.Context(), driver, target, p); err != nil {
			t.Fatal(err)
		}
		if err := back(t.Context(), driver, target, p.Steps); err != nil {
			t.Fatal(err)
		}
		if err := driver.Finish(t.Context(), target, p.Steps); err != nil {
			t.Errorf("finish: %v", err)
		}
		if diff := cmp.Diff(before, f.snapshot()); diff != "" {
			t.Errorf("the container was touched:\n%s", diff)
		}
	})
	t.Run("recreates the container before a live update", func(t *testing.T) {
		f, target, p := changes[0].planOn(t)
		f.edit(func() { f.containers = make(map[string]*fakeContainer) })
		f.add("engram", limited)
		before := f.snapshot()
		driver := newDriver(t)
		if _, err := carry(t.Context(), driver, target, p); !strings.Contains(fmt.Sprint(err), "decide again") {
			t.Errorf("do: got %v", err)
		}
		if err := back(t.Context(), driver, target, p.Steps); err != nil {
			t.Errorf("undo: %v", err)
		}
		if diff := cmp.Diff(before, f.snapshot()); diff != "" {
			t.Errorf("it was touched:\n%s", diff)
		}
	})
	t.Run("the agent recreates it after a live update that is then undone", func(t *testing.T) {
		f, target, live := changes[0].planOn(t)
		driver := newDriver(t)
		if _, err := carry(t.Context(), driver, target, live); err != nil {
			t.Fatal(err)
		}
		slow := targetAt(f.host(), "engram", byRestart(policy.Memory))
		st, err := driver.Observe(t.Context(), slow)
		if err != nil {
			t.Fatal(err)
		}
		p, err := driver.Plan(slow, st, size(policy.Memory, 1<<30))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := carry(t.Context(), driver, slow, p); err != nil {
			t.Fatal(err)
		}
		if err := back(t.Context(), driver, target, live.Steps); err != nil {
			t.Fatal(err)
		}
		for _, line := range f.snapshot() { // the new one, and the old one that may come back
			if !strings.Contains(line, "nano=2000000000") {
				t.Errorf("not undone: %s", line)
			}
		}
	})
	t.Run("a creation that was answered late", func(t *testing.T) {
		f, target, p := restart.planOn(t)
		driver := newDriver(t)
		if _, err := carry(t.Context(), driver, target, actuators.Plan{Steps: p.Steps[:3]}); err != nil {
			t.Fatal(err)
		}
		f.edit(func() { f.reserved = "engram" })
		err := driver.Do(t.Context(), target, p.Steps[3])
		if !strings.Contains(fmt.Sprint(err), actuators.ErrTransient.Error()) {
			t.Errorf("while it is under way: got %v, want a transient error", err)
		}
		for _, s := range slices.Backward(p.Steps[2:4]) {
			err = driver.Undo(t.Context(), target, s)
		}
		if !strings.Contains(fmt.Sprint(err), actuators.ErrTransient.Error()) {
			t.Errorf("undo while it is under way: got %v, want a transient error", err)
		}
		late := f.add("engram", limited)
		f.edit(func() {
			f.reserved = ""
			late.Running = false
			late.Config["Labels"] = json.RawMessage(`{"io.engramd.recreated-from":"` + f.find("engram.engramd-c0ffee01c0ff").ID + `"}`)
		})
		if err := back(t.Context(), driver, target, p.Steps[:3]); err != nil {
			t.Fatal(err)
		}
		if all := f.snapshot(); len(all) != 1 || !strings.HasPrefix(all[0], "engram c0ffee01 running=true restart=always") {
			t.Errorf("left %v", all)
		}
	})
}
