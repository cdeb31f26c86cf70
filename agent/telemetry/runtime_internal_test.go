package telemetry

import (
	"os"
	"os/exec"
	"testing"

	"github.com/engramd/engramd/actuators"
	"github.com/engramd/engramd/actuators/process"
)

// TestRuntimeOfParts looks at real processes: this test, which is Go, and one that is not.
func TestRuntimeOfParts(t *testing.T) {
	cmd := exec.CommandContext(t.Context(), "cat") // waits for its input
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Skipf("there is no cat here: %v", err)
	}
	defer cmd.Wait()
	defer in.Close()
	part := func(id string, pid int) actuators.Part { return actuators.Part{ID: id, PID: pid, Running: pid != 0} }
	self, cat := part("self", os.Getpid()), part("cat", cmd.Process.Pid)
	c := &collector{root: "/"}
	for _, step := range []struct {
		what  string
		parts []actuators.Part
		kind  process.Kind
		pid   int
	}{
		{"one in Go", []actuators.Part{self}, process.Go, self.PID},
		{"the same again", []actuators.Part{self}, process.Go, self.PID},
		{"of two the one that follows least", []actuators.Part{cat, self}, process.Go, self.PID},
		{"another program", []actuators.Part{cat}, process.Other, cat.PID},
		{"one that does not run", []actuators.Part{part("stopped", 0)}, "", 0},
		{"one that has ended", []actuators.Part{part("ended", 1<<22+1)}, process.Unknown, 0},
		{"none", nil, "", 0},
	} {
		c.detect(step.parts)
		switch r := c.runtime(); {
		case r == nil && step.kind != "":
			t.Errorf("%s: nothing was found, want %s", step.what, step.kind)
		case r != nil && (r.Kind != step.kind || r.PID != step.pid):
			t.Errorf("%s: found %+v, want %s in %d", step.what, *r, step.kind, step.pid)
		case r != nil && r.Kind == process.Go && r.Threads < 1:
			t.Errorf("%s: %d threads", step.what, r.Threads)
		}
	}
	// What runs under an id by now is not what ran under it before.
	c.runtimes = map[groupKey]inside{keyOf(cat): {Runtime: process.Runtime{Kind: process.JVM, PID: cat.PID, Started: 1}}}
	if c.detect([]actuators.Part{cat}); c.runtime().Kind != process.Other {
		t.Errorf("another process under the same id is taken for the JVM that had it: %+v", *c.runtime())
	}
}
