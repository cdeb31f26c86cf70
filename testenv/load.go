package testenv

import (
	"context"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/engramd/engramd/testenv/load"
)

// A Load is a load generator that runs with a test.
type Load struct {
	*load.Generator
	stop func()
}

// StartLoad sends load until Stop or the end of the test, and then keeps its requests as load-*.csv among the artifacts.
func StartLoad(t testing.TB, config load.Config) *Load {
	t.Helper()
	g, err := load.New(config)
	if err != nil {
		t.Fatalf("testenv: %v", err)
	}
	dir := Artifacts(t)
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() { g.Run(ctx) })
	l := &Load{Generator: g, stop: sync.OnceFunc(func() {
		cancel()
		running.Wait()
		keep(t, g.Report(), dir)
	})}
	t.Cleanup(l.stop)
	return l
}

// Stop ends the load, waits for the requests under way, and returns the whole report.
func (l *Load) Stop() load.Report {
	l.stop()
	return l.Report()
}

func keep(t testing.TB, report load.Report, dir string) {
	t.Logf("load: %v", report)
	f, err := os.CreateTemp(dir, "load-*.csv")
	if err != nil {
		t.Errorf("testenv: keep %s: %v", filepath.Base(dir), err)
		return
	}
	defer f.Close()
	if err := report.WriteCSV(f); err != nil {
		t.Errorf("testenv: keep the requests: %v", err)
	}
}
