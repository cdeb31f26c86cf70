package process_test

import (
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/engramd/engramd/actuators/process"
)

func fixed(why string) process.Fixed   { return process.Fixed{Why: why} }
func restart(why string) process.Fixed { return process.Fixed{Why: why, Restart: true} }

const (
	pools      = "a JVM sizes its pools of threads at its start"
	heapOfItsM = "a JVM sizes its heap at its start (a quarter of the limit, unless an option says more)"
)

func TestDetect(t *testing.T) {
	java := func(args ...string) recorded {
		return recorded{program: "usr/lib/jvm/bin/java", args: append([]string{"java"}, args...)}
	}
	tests := map[string]struct {
		in   recorded
		want process.Runtime
	}{
		"a new Go follows": {
			recorded{program: "app", exe: goProgram("go1.26.1")},
			process.Runtime{Kind: process.Go, Version: "go1.26.1"},
		},
		"the first Go that follows": {
			recorded{program: "app", exe: goProgram("go1.25rc1")},
			process.Runtime{Kind: process.Go, Version: "go1.25rc1"},
		},
		"the last Go that does not": {
			recorded{program: "app", exe: goProgram("go1.24.12")},
			process.Runtime{Kind: process.Go, Version: "go1.24.12", CPU: restart("go1.24.12 counts its processors only at its start (GOMAXPROCS)")},
		},
		"an old Go counts at its start": {
			recorded{program: "app", exe: goProgram("go1.22.5")},
			process.Runtime{Kind: process.Go, Version: "go1.22.5", CPU: restart("go1.22.5 counts its processors only at its start (GOMAXPROCS)")},
		},
		"a development Go": {
			recorded{program: "app", exe: goProgram("devel go1.27-8f2a1b Mon Jan 5 2026 X:nospinbitmutex")},
			process.Runtime{Kind: process.Go, Version: "go1.27"},
		},
		"an old main module in a new Go": {
			recorded{program: "app", exe: goProgram("go1.26.1", "DefaultGODEBUG=containermaxprocs=0,tlsmlkem=0,updatemaxprocs=0")},
			process.Runtime{Kind: process.Go, Version: "go1.26.1", CPU: restart("go1.26.1 counts its processors only at its start (GODEBUG updatemaxprocs=0)")},
		},
		"the environment outdoes the module": {
			recorded{program: "app", exe: goProgram("go1.26.1", "DefaultGODEBUG=containermaxprocs=0,updatemaxprocs=0"), env: []string{"GODEBUG=updatemaxprocs=0,updatemaxprocs=1,containermaxprocs=1"}},
			process.Runtime{Kind: process.Go, Version: "go1.26.1"},
		},
		"GOMAXPROCS is set": {
			recorded{program: "app", exe: goProgram("go1.26.1"), env: []string{"PATH=/bin", "GOMAXPROCS=4", "GOMEMLIMIT=6GiB"}},
			process.Runtime{Kind: process.Go, Version: "go1.26.1", CPU: fixed("GOMAXPROCS=4 in its environment fixes how many processors it uses"),
				Memory: fixed("GOMEMLIMIT=6GiB in its environment fixes how much memory it aims at")},
		},
		"GOMEMLIMIT is off": {
			recorded{program: "app", exe: goProgram("go1.26.1"), env: []string{"GOMEMLIMIT=off"}},
			process.Runtime{Kind: process.Go, Version: "go1.26.1"},
		},
		"a JVM with nothing said": {
			java("-cp", "-Xmx9g", "org.example.Main", "-Xmx1g"),
			process.Runtime{Kind: process.JVM, CPU: restart(pools), Memory: restart(heapOfItsM)},
		},
		"a fixed heap": {
			java("-Xmx1g", "-Xmx2g", "-jar", "app.jar", "-Xmx4g"),
			process.Runtime{Kind: process.JVM, CPU: restart(pools), Heap: new(int64(2 << 30)), HeapFrom: "-Xmx2g", Memory: fixed("-Xmx2g fixes its heap")},
		},
		"a share of the limit and a number of processors": {
			java("-XX:MaxRAMPercentage=75", "-XX:ActiveProcessorCount=2", "-jar", "app.jar"),
			process.Runtime{Kind: process.JVM, CPU: fixed("-XX:ActiveProcessorCount=2 fixes how many processors it uses"),
				Memory: restart("a JVM sizes its heap at its start (-XX:MaxRAMPercentage=75)")},
		},
		"options of the environment, weak and strong": {
			recorded{program: "bin/java", args: []string{"java", "-Xmx2g", "Main"}, env: []string{"JAVA_TOOL_OPTIONS=-Xmx1g -XX:ActiveProcessorCount=3", "_JAVA_OPTIONS=-Xmx512m"}},
			process.Runtime{Kind: process.JVM, CPU: fixed("-XX:ActiveProcessorCount=3 fixes how many processors it uses"),
				Heap: new(int64(512 << 20)), HeapFrom: "-Xmx512m", Memory: fixed("-Xmx512m fixes its heap")},
		},
		"options in a file": {
			java("@/etc/app/options", "Main"),
			process.Runtime{Kind: process.JVM, CPU: restart(pools), Memory: restart("a JVM sizes its heap at its start (options in files were not read)")},
		},
		"a JVM in a launcher of its own": {
			recorded{program: "usr/bin/jsvc", exe: []byte("\x7fELF"), args: []string{"jsvc", "-Xmx1g"}, env: []string{"JAVA_TOOL_OPTIONS=-XX:MaxHeapSize=268435456"},
				maps: "7f00-7f01 r-xp 0 08:01 1 /usr/lib/jvm/lib/server/libjvm.so\n"},
			process.Runtime{Kind: process.JVM, CPU: restart(pools), Heap: new(int64(256 << 20)), HeapFrom: "-XX:MaxHeapSize=268435456", Memory: fixed("-XX:MaxHeapSize=268435456 fixes its heap")},
		},
		"another program": {
			recorded{program: "usr/bin/python3", exe: []byte("\x7fELF\x02\x01"), args: []string{"python3", "java"}, maps: "7f00-7f01 r-xp 0 08:01 1 /lib/libc.so.6\n"},
			process.Runtime{Kind: process.Other},
		},
		"a program without a line": {
			recorded{program: "app", exe: []byte("#!")},
			process.Runtime{Kind: process.Other},
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			tr := newTree(t)
			test.in.started, test.in.threads = 77, 5
			tr.add(100, test.in)
			test.want.PID, test.want.Started, test.want.Threads = 100, 77, 5
			test.want.Program = filepath.Join(tr.root, test.in.program)
			got := process.Detect(tr.root, 100)
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Error(diff)
			}
			if threads, ok := got.Still(tr.root); !ok || threads != 5 {
				t.Errorf("still: %d threads, %v", threads, ok)
			}
		})
	}
}

// TestDetectBehindAnInit looks at what an init and a shell have started, and no further than one child.
func TestDetectBehindAnInit(t *testing.T) {
	tr := newTree(t)
	tr.add(1, recorded{program: "sbin/docker-init", args: []string{"docker-init"}, children: []int{7}})
	tr.add(7, recorded{program: "bin/sh", args: []string{"sh", "run.sh"}, children: []int{8}})
	tr.add(8, recorded{program: "bin/java", args: []string{"java", "-Xmx1g", "Main"}, children: []int{9}})
	tr.add(9, recorded{program: "helper", exe: goProgram("go1.26.1")})
	if got := process.Detect(tr.root, 1); got.Kind != process.JVM || got.PID != 8 {
		t.Errorf("got %+v, want the JVM in 8", got)
	}
	tr.add(1, recorded{program: "sbin/docker-init", args: []string{"docker-init"}, children: []int{7, 8}})
	if got := process.Detect(tr.root, 1); got.Kind != process.Other || got.PID != 1 {
		t.Errorf("got %+v, want other in 1: it has two children", got)
	}
	tr.add(1, recorded{program: "sbin/docker-init", args: []string{"docker-init"}, children: []int{12}})
	if got := process.Detect(tr.root, 1); got.Kind != process.Other || got.PID != 1 {
		t.Errorf("got %+v, want other in 1: its child has ended", got)
	}
}

// TestStill sees that an id has got another process, or a process another program.
func TestStill(t *testing.T) {
	tr := newTree(t)
	java := recorded{started: 5, program: "bin/java", args: []string{"java", "Main"}}
	tr.add(3, java)
	r := process.Detect(tr.root, 3)
	tr.add(3, recorded{started: 6, program: "bin/java", args: java.args})
	if _, ok := r.Still(tr.root); ok {
		t.Error("a process with another start time is taken for the old one")
	}
	tr.add(3, recorded{started: 5, program: "bin/sh", args: []string{"sh"}})
	if _, ok := r.Still(tr.root); ok {
		t.Error("a process that runs another program by now is taken for the old one")
	}
	if err := os.RemoveAll(filepath.Join(tr.root, "proc", "3")); err != nil {
		t.Fatal(err)
	}
	if _, ok := r.Still(tr.root); ok {
		t.Error("a process that has ended is taken to run")
	}
	if got := process.Detect(tr.root, 3); got.Kind != process.Unknown || got.Why != "it has ended" {
		t.Errorf("got %+v", got)
	}
}

// TestDetectWithoutPermission calls unknown what it may not see: never other.
func TestDetectWithoutPermission(t *testing.T) {
	if os.Geteuid() == 0 {
		t.Run("as nobody", asNobody)
		return
	}
	got := process.Detect("/", 1)
	if _, err := os.Readlink("/proc/1/exe"); errors.Is(err, fs.ErrPermission) && got.Kind != process.Unknown && got.Kind != process.JVM {
		t.Errorf("got %+v of a process of root's, want unknown", got)
	}
}

// asNobody runs the test again without root's rights, so that it meets real refusals.
func asNobody(t *testing.T) {
	dir := t.TempDir()
	binary := filepath.Join(dir, "process.test")
	self, err := os.ReadFile("/proc/self/exe")
	if err != nil {
		t.Fatal(err)
	}
	for at := dir; at != "/" && at != os.TempDir(); at = filepath.Dir(at) {
		if err := os.Chmod(at, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(binary, self, 0o755); err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), binary, "-test.run=^TestDetectWithoutPermission$", "-test.v")
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
	cmd.Dir, cmd.Env = "/", []string{"TMPDIR=/tmp"}
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("as nobody: %v\n%s", err, out)
	}
}

// TestDetectThisProcess is about a real process: this test.
func TestDetectThisProcess(t *testing.T) {
	got := process.Detect("/", os.Getpid())
	want := process.Runtime{Kind: process.Go, Version: strings.Fields(runtime.Version())[0], PID: os.Getpid()}
	if os.Getenv("GOMAXPROCS") != "" {
		want.CPU = fixed("GOMAXPROCS=" + os.Getenv("GOMAXPROCS") + " in its environment fixes how many processors it uses")
	}
	ignored := cmpopts.IgnoreFields(process.Runtime{}, "Started", "Program", "Threads", "Memory")
	if diff := cmp.Diff(want, got, ignored); diff != "" {
		t.Error(diff)
	}
	if got.Threads < 1 || got.Started == 0 {
		t.Errorf("%d threads, started at %d", got.Threads, got.Started)
	}
}

// TestDetectJava is about a real Java virtual machine, where one is installed.
func TestDetectJava(t *testing.T) {
	java, err := exec.LookPath("java")
	if err != nil {
		t.Skip("there is no java here")
	}
	dir := t.TempDir()
	source := filepath.Join(dir, "Wait.java")
	if err := os.WriteFile(source, []byte("class Wait { public static void main(String[] a) throws Exception { System.out.println(\"up\"); System.in.read(); } }\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), java, "-Xmx64m", "-XX:+UseSerialGC", source)
	in, _ := cmd.StdinPipe()
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer cmd.Wait()
	defer in.Close()
	if _, err := out.Read(make([]byte, 2)); err != nil {
		t.Skipf("java cannot run a source file here (no compiler in it): %v", err)
	}
	got := process.Detect("/", cmd.Process.Pid)
	want := process.Runtime{Kind: process.JVM, PID: cmd.Process.Pid, CPU: restart(pools), Heap: new(int64(64 << 20)), HeapFrom: "-Xmx64m", Memory: fixed("-Xmx64m fixes its heap")}
	if diff := cmp.Diff(want, got, cmpopts.IgnoreFields(process.Runtime{}, "Started", "Program", "Threads")); diff != "" {
		t.Error(diff)
	}
}

func TestRemedy(t *testing.T) {
	for _, test := range []struct {
		in   process.Fixed
		want string
	}{
		{process.Fixed{}, ""},
		{restart("go1.22.5 counts its processors only at its start (GOMAXPROCS)"), "go1.22.5 counts its processors only at its start (GOMAXPROCS): restart it, or apply: {cpu: restart}"},
		{fixed("-XX:ActiveProcessorCount=2 fixes how many processors it uses"), "-XX:ActiveProcessorCount=2 fixes how many processors it uses: change that first"},
	} {
		if got := test.in.Remedy("cpu"); got != test.want {
			t.Errorf("got %q, want %q", got, test.want)
		}
	}
}
