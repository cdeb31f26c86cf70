package loop

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/engramd/engramd/testenv"
)

const (
	readyWithin = 30 * time.Second
	stopsWithin = 30 * time.Second
)

// An Agent is one engramd, running or not. Its methods are for the test's goroutine.
type Agent struct {
	Addr       string   // host:port of its API
	Dir        string   // its data_dir
	ConfigFile string   // its agent.yaml
	LogFile    string   // what it wrote to standard error, over all its starts
	Env        []string // beside PATH and HOME, such as DOCKER_HOST=...; for its commands, too

	binary, name, artifacts string
	process                 *testenv.Process
}

// New prepares an engramd with that agent.yaml (see [Agent.Configure]), and starts nothing. It is stopped and its files are
// kept at the end of the test.
func New(t testing.TB, yaml string, values Values) *Agent {
	t.Helper()
	a := prepare(t)
	a.Configure(t, yaml, values)
	return a
}

// Start prepares an engramd, starts it, and waits until it is ready.
func Start(t testing.TB, yaml string, values Values) *Agent {
	t.Helper()
	a := New(t, yaml, values)
	a.Start(t)
	return a
}

// Bare prepares an engramd without an agent.yaml: ConfigFile does not exist yet, and Dir is the default of one in its
// directory.
func Bare(t testing.TB) *Agent {
	t.Helper()
	a := prepare(t)
	a.Dir = filepath.Join(filepath.Dir(a.ConfigFile), ".engramd")
	return a
}

func prepare(t testing.TB) *Agent {
	t.Helper()
	home := t.TempDir()
	a := &Agent{
		Addr: fmt.Sprintf("127.0.0.1:%d", testenv.Port(t)), Dir: filepath.Join(home, "data"),
		ConfigFile: filepath.Join(home, "agent.yaml"), binary: binary(t), artifacts: testenv.Artifacts(t),
	}
	for n := 1; ; n++ { // a test may run several
		a.name = fmt.Sprintf("engramd-%d", n)
		a.LogFile = filepath.Join(a.artifacts, a.name+".log")
		f, err := os.OpenFile(a.LogFile, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o644)
		if err == nil {
			f.Close()
			break
		}
		if !os.IsExist(err) {
			t.Fatalf("loop: %v", err)
		}
	}
	t.Cleanup(func() {
		a.end(t)
		a.keep(t)
	})
	return a
}

// binary is the engramd to run.
func binary(t testing.TB) string {
	t.Helper()
	if ready := os.Getenv("ENGRAMD_BIN"); ready != "" {
		return ready
	}
	return testenv.Build(t, "cmd/engramd")
}

// Start starts engramd, and waits until it is ready. It may be started again after it was stopped or killed.
func (a *Agent) Start(t testing.TB, flags ...string) {
	t.Helper()
	a.Launch(t, flags...)
	testenv.Eventually(t, readyWithin, a.name+" is ready", func() bool {
		if !a.Running() {
			t.Fatalf("loop: %s has ended (%v):\n%s", a.name, a.process.Err(), a.logTail())
		}
		return a.Ready()
	})
}

// Launch starts engramd in the directory of its agent.yaml, and does not wait.
func (a *Agent) Launch(t testing.TB, flags ...string) {
	t.Helper()
	if a.Running() {
		t.Fatalf("loop: %s runs already", a.name)
	}
	var err error
	a.process, err = testenv.Spawn(filepath.Dir(a.ConfigFile), a.LogFile, a.environment(), a.binary, append([]string{"run", "--config", a.ConfigFile}, flags...)...)
	if err != nil {
		t.Fatalf("loop: start %s: %v", a.name, err)
	}
}

func (a *Agent) environment() []string {
	return append([]string{"PATH=" + os.Getenv("PATH"), "HOME=" + filepath.Dir(a.ConfigFile)}, a.Env...)
}

// Running tells whether the process is there.
func (a *Agent) Running() bool { return a.process.Running() }

// PID is the process's id.
func (a *Agent) PID() int { return a.process.PID() }

// Kill kills engramd as a crash would.
func (a *Agent) Kill(t testing.TB) {
	t.Helper()
	if err := a.process.End(syscall.SIGKILL, stopsWithin); err != nil {
		t.Fatalf("loop: %v", err)
	}
}

// Stop ends engramd in an orderly way (SIGTERM), and fails the test unless it ends well and in time.
func (a *Agent) Stop(t testing.TB) {
	t.Helper()
	if err := a.process.End(syscall.SIGTERM, stopsWithin); err != nil {
		t.Fatalf("loop: %v", err)
	}
	if a.process.Err() != nil {
		t.Fatalf("loop: %s ended badly: %v\n%s", a.name, a.process.Err(), a.logTail())
	}
}

// end is the end of the test: an agent that cannot be stopped is a failure, too.
func (a *Agent) end(t testing.TB) {
	if !a.Running() {
		return
	}
	if err := a.process.End(syscall.SIGTERM, stopsWithin); err != nil {
		t.Errorf("loop: %v", err)
		_ = a.process.End(syscall.SIGKILL, stopsWithin)
	}
}

// keep leaves what tells of the agent among the artifacts.
func (a *Agent) keep(t testing.TB) {
	files, _ := filepath.Glob(filepath.Join(a.Dir, "events*.jsonl"))
	for _, file := range append(files, a.ConfigFile) {
		content, err := os.ReadFile(file)
		if err == nil {
			err = os.WriteFile(filepath.Join(a.artifacts, a.name+"-"+filepath.Base(file)), content, 0o644)
		}
		if err != nil && !os.IsNotExist(err) {
			t.Logf("loop: keep %s: %v", file, err)
		}
	}
	if t.Failed() {
		t.Logf("the end of %s:\n%s", a.LogFile, a.logTail())
	}
}

func (a *Agent) logTail() string {
	text := a.Log()
	return strings.TrimSpace(text[max(0, len(text)-4000):])
}

// Log is everything that engramd has logged.
func (a *Agent) Log() string {
	content, err := os.ReadFile(a.LogFile)
	if err != nil {
		return err.Error()
	}
	return string(content)
}
