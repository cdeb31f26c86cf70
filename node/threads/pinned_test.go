package threads_test

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/engramd/engramd/node/threads"
	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"
)

// allowed returns the cores of this process; a machine with one has only one to bind to.
func allowed(t testing.TB) threads.CPUs {
	t.Helper()
	cores, err := threads.Allowed()
	if err != nil || len(cores) == 0 {
		t.Fatal(cores, err)
	}
	return cores
}

func tasks(t testing.TB) map[int]threads.CPUs {
	t.Helper()
	out, err := threads.Tasks("/")
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// checkPlaces asks the kernel whether the workers are where they say.
func checkPlaces(t *testing.T, s threads.PoolStats) {
	t.Helper()
	if len(s.Cores) > 0 && s.Unpinned == "" && len(s.Pinned) != s.Workers {
		t.Errorf("%d of %d workers are bound", len(s.Pinned), s.Workers)
	}
	kernel := tasks(t)
	for _, p := range s.Pinned {
		if got := kernel[p.Thread]; !slices.Equal(got, threads.CPUs{p.Core}) {
			t.Errorf("worker %d says core %d, and the kernel %v", p.Worker, p.Core, got)
		}
		if p.Thread == os.Getpid() {
			t.Error("the main thread is a worker: its mask would be shown as that of the process")
		}
	}
}

func TestPinnedWorkers(t *testing.T) {
	cores := allowed(t)
	first, last := cores[0], cores[len(cores)-1]
	p := newPool(t, threads.PoolOptions[*room]{Workers: 3, Cores: threads.CPUs{first, last}})
	s := p.Stats()
	checkPlaces(t, s)
	for i, want := range []int{first, last, first} {
		if s.Pinned[i].Core != want {
			t.Errorf("worker %d is on core %d, want %d", i, s.Pinned[i].Core, want)
		}
	}
	if err := p.Do(t.Context(), func(*room) error {
		if !slices.ContainsFunc(s.Pinned, func(p threads.Placement) bool { return p.Thread == unix.Gettid() }) {
			t.Error("the job runs on a thread that is none of the workers'")
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	for _, core := range cores {
		if err := p.SetCores(threads.CPUs{core}); err != nil {
			t.Fatal(err)
		}
		checkPlaces(t, p.Stats())
	}
	if err := p.SetWorkers(1); err != nil {
		t.Fatal(err)
	}
	checkPlaces(t, p.Stats())
	if err := p.SetCores(nil); err != nil || len(p.Stats().Pinned) != 0 {
		t.Error(err, p.Stats().Pinned)
	}
	p.Close()
	checkOthers(t, "after Close", threads.PoolStats{}, threads.PoolStats{}, cores)
}

// TestExitWhileOthersWait ends a worker's goroutine under a queue: the next job runs all the same.
func TestExitWhileOthersWait(t *testing.T) {
	p := newPool(t, threads.PoolOptions[*room]{Cores: allowed(t)[:1]})
	begun, end, ended := make(chan struct{}), make(chan struct{}), make(chan error, 1)
	go func() {
		ended <- p.Do(t.Context(), func(*room) error {
			close(begun)
			<-end
			runtime.Goexit()
			return nil
		})
	}()
	<-begun
	next := make(chan error, 1)
	go func() { next <- p.Do(t.Context(), func(*room) error { return nil }) }()
	for p.Stats().QueueDepth == 0 {
		runtime.Gosched()
	}
	close(end)
	if err := <-ended; err == nil || !strings.Contains(err.Error(), "Goexit") {
		t.Errorf("who ended it: %v", err)
	}
	if err := <-next; err != nil {
		t.Errorf("the next: %v", err)
	}
	checkPlaces(t, p.Stats())
}

func TestPinningIsRefused(t *testing.T) {
	refuse := func(int, threads.CPUs) error { return unix.EPERM }
	o := threads.PoolOptions[*room]{Name: "spreads", Workers: 2, Cores: threads.CPUs{0}, SetAffinity: refuse, New: func() *room { return nil }}
	if p, err := threads.NewPool(o); !errors.Is(err, unix.EPERM) || p != nil {
		t.Errorf("%v, %v", p, err)
	}
	o.Unpinned = true
	p := newPool(t, o)
	if s := p.Stats(); s.Workers != 2 || len(s.Pinned) != 0 || !strings.Contains(s.Unpinned, "not permitted") {
		t.Errorf("%+v", s)
	}
	if err := p.Do(t.Context(), func(*room) error { return nil }); err != nil {
		t.Error(err)
	}
	if err := p.SetCores(nil); err != nil || p.Stats().Unpinned != "" {
		t.Errorf("%v, %+v", err, p.Stats())
	}
	if _, err := threads.NewPool(threads.PoolOptions[*room]{Cores: threads.CPUs{4095}, New: o.New}); err == nil || !strings.Contains(err.Error(), "may use none of them") {
		t.Errorf("a core that is not there: %v", err)
	}
}

// split returns two cores, of which one is for workers and one for the rest.
func split(t *testing.T) (workers, rest threads.CPUs) {
	cores := allowed(t)
	if len(cores) < 2 {
		t.Skip("one core cannot be divided")
	}
	return cores[:1], cores[1:2]
}

func TestApply(t *testing.T) {
	all := allowed(t)
	workers, rest := split(t)
	spreads, parts := newPool(t, threads.PoolOptions[*room]{}), newPool(t, threads.PoolOptions[*room]{})
	quota := 0.0
	th, err := threads.New(threads.Options{Spreading: spreads, Consolidation: parts, CPULimit: func() (float64, error) { return quota, nil }})
	if err != nil {
		t.Fatal(err)
	}
	procs := runtime.GOMAXPROCS(0)
	apply := func(s threads.Settings) {
		t.Helper()
		if err := th.Apply(s); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(s, th.Settings()); diff != "" {
			t.Error(diff)
		}
	}
	t.Cleanup(func() { apply(threads.Settings{}) })

	apply(threads.Settings{SpreadingCores: workers, SpreadingWorkers: 2, PinThreads: true, CPUIsolation: true})
	checkPlaces(t, spreads.Stats())
	checkOthers(t, all.String(), spreads.Stats(), parts.Stats(), all[1:])
	if got := runtime.GOMAXPROCS(0); got != len(all) {
		t.Errorf("GOMAXPROCS is %d of %d cores: the mask of the API's threads has misled Go", got, len(all))
	}

	apply(threads.Settings{SpreadingCores: all, ConsolidationCores: workers, APICores: rest, PinThreads: true, ConsolidationWorkers: 2})
	if s := spreads.Stats(); s.Workers != len(all) {
		t.Errorf("%+v", s)
	}
	checkPlaces(t, spreads.Stats())
	checkPlaces(t, parts.Stats())
	checkOthers(t, "api cores", spreads.Stats(), parts.Stats(), rest)
	st, err := th.Stats()
	if err != nil || st.Masks[rest.String()] == 0 || !slices.Equal(st.Topology.Allowed, all) {
		t.Errorf("%+v, %v", st, err)
	}

	t.Setenv("GOMAXPROCS", "1") // what is set shows that it is set: Go itself would follow the mask only a second later
	apply(threads.Settings{APICores: rest, PinThreads: true})
	if got := runtime.GOMAXPROCS(0); got != 1 {
		t.Errorf("GOMAXPROCS is %d: it is left to Go while a mask misleads it", got)
	}
	if err := os.Unsetenv("GOMAXPROCS"); err != nil {
		t.Fatal(err)
	}

	if err := th.Close(); err != nil {
		t.Error(err)
	}
	checkOthers(t, "after Close", spreads.Stats(), parts.Stats(), all)
	if got := runtime.GOMAXPROCS(0); got != procs {
		t.Errorf("GOMAXPROCS is %d after Close, and was %d", got, procs)
	}

	apply(threads.Settings{GOMAXPROCS: 1, SpreadingWorkers: 3})
	checkOthers(t, "nothing bound", spreads.Stats(), parts.Stats(), all)
	if s := spreads.Stats(); runtime.GOMAXPROCS(0) != 1 || s.Workers != 3 || len(s.Pinned) != 0 {
		t.Errorf("GOMAXPROCS %d, %+v", runtime.GOMAXPROCS(0), s)
	}
	apply(threads.Settings{})
	if got := runtime.GOMAXPROCS(0); got != procs {
		t.Errorf("GOMAXPROCS is %d, and was %d", got, procs)
	}
}

// checkOthers asks the kernel for the masks of all threads that are no workers, and of those that they start. Workers that were
// just let go may need a moment to end.
func checkOthers(t *testing.T, name string, a, b threads.PoolStats, want threads.CPUs) {
	t.Helper()
	fresh := make(chan int)
	go func() { // a goroutine that keeps its thread makes Go start another
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		fresh <- unix.Gettid()
	}()
	<-fresh
	workers := map[int]bool{}
	for _, p := range slices.Concat(a.Pinned, b.Pinned) {
		workers[p.Thread] = true
	}
	deadline := time.Now().Add(10 * time.Second)
	for {
		var wrong []string
		for tid, cpus := range tasks(t) {
			if !workers[tid] && !slices.Equal(cpus, want) {
				wrong = append(wrong, fmt.Sprintf("%d: %v", tid, cpus))
			}
		}
		if len(wrong) == 0 {
			return
		}
		if time.Now().After(deadline) {
			t.Errorf("%s: threads may use %v, want %v", name, wrong, want)
			return
		}
		runtime.Gosched()
	}
}

func TestApplyRefuses(t *testing.T) {
	workers, rest := split(t)
	all := allowed(t)
	spreads, parts := newPool(t, threads.PoolOptions[*room]{}), newPool(t, threads.PoolOptions[*room]{})
	refused := false
	th, err := threads.New(threads.Options{Spreading: spreads, Consolidation: parts, SetAffinity: func(tid int, cpus threads.CPUs) error {
		if refused && len(cpus) < len(all) {
			return unix.EPERM
		}
		mask := unix.NewCPUSet(slices.Max(cpus) + 1)
		for _, c := range cpus {
			mask.Set(c)
		}
		return unix.SchedSetaffinityDynamic(tid, mask)
	}})
	if err != nil {
		t.Fatal(err)
	}
	good := threads.Settings{SpreadingCores: workers, SpreadingWorkers: 1, PinThreads: true}
	if err := th.Apply(good); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		s   threads.Settings
		err string
	}{
		"a core that is not ours":    {threads.Settings{APICores: threads.CPUs{0, 999}}, "api_cores: this process may not use [999], only"},
		"twice":                      {threads.Settings{SpreadingCores: threads.CPUs{0, 0}}, "core 0 is listed twice"},
		"shared under isolation":     {threads.Settings{SpreadingCores: workers, APICores: workers, PinThreads: true, CPUIsolation: true}, "in spreading_cores and in api_cores"},
		"isolation without pinning":  {threads.Settings{CPUIsolation: true}, "needs pin_threads: true"},
		"nothing left for the API":   {threads.Settings{SpreadingCores: all, PinThreads: true, CPUIsolation: true}, "leaves no core of"},
		"negative":                   {threads.Settings{SpreadingWorkers: -1}, "spreading_workers: -1 is outside"},
		"more than Go has threads":   {threads.Settings{ConsolidationWorkers: 10_000}, "consolidation_workers: 10000 is outside"},
		"the kernel refuses the API": {threads.Settings{APICores: rest, SpreadingCores: workers, SpreadingWorkers: 2, PinThreads: true}, "not permitted"},
	} {
		t.Run(name, func(t *testing.T) {
			refused = c.err == "not permitted"
			if err := th.Apply(c.s); err == nil || !strings.Contains(err.Error(), c.err) {
				t.Errorf("%v, want %q", err, c.err)
			}
			if diff := cmp.Diff(good, th.Settings()); diff != "" {
				t.Error(diff)
			}
			s := spreads.Stats()
			if s.Workers != 1 || !slices.Equal(s.Cores, workers) {
				t.Errorf("not as it was: %+v", s)
			}
			checkPlaces(t, s)
			checkOthers(t, "after the refusal", s, parts.Stats(), all)
		})
	}
	refused = true
	if err := th.Apply(threads.Settings{APICores: rest, PinThreads: true, Unpinned: true}); err != nil {
		t.Error(err)
	}
	if s, err := th.Stats(); err != nil || !strings.Contains(s.Unpinned, "not permitted") {
		t.Errorf("%+v, %v", s, err)
	}
	if err := th.Apply(threads.Settings{APICores: rest, PinThreads: true}); err == nil {
		t.Error("what is refused is in force")
	}
	if s, err := th.Stats(); err != nil || !strings.Contains(s.Unpinned, "not permitted") {
		t.Errorf("after a change that failed nobody says any more that the API is not kept to its cores: %+v, %v", s, err)
	}
	refused = false
	if err := th.Apply(threads.Settings{}); err != nil {
		t.Error(err)
	}
}
