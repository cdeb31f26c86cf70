package demo_test

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/engramd/engramd/testenv"
	"github.com/engramd/engramd/testenv/demo"
	"github.com/google/go-cmp/cmp"
)

// whole is how long a demo may take.
const whole = 75 * time.Second

var explained = regexp.MustCompile(`(?m)^ +engramd explain --data-dir (\S+) (\S+)$`)

// TestE2EDemo runs the demo in a pipe: everything that it is for happens, and the journal that stays tells of it.
func TestE2EDemo(t *testing.T) {
	testenv.Need(t, "node")
	d := demo.Start(t, demo.Options{})
	began := time.Now()
	code := d.Ends(t, whole)
	text := d.Text()
	keep(t, "demo.txt", text)
	if code != 0 {
		t.Fatalf("exit code %d after %v:\n%s", code, time.Since(began), text)
	}
	if strings.Contains(text, "\x1b") {
		t.Errorf("what is no terminal gets escape sequences:\n%q", text)
	}
	for _, phase := range []string{"calm", "rising", "spiking", "pathological"} {
		if !regexp.MustCompile(`(?m)^ *[0-9.]+s  phase +` + phase + `$`).MatchString(text) {
			t.Errorf("phase %s was not told", phase)
		}
	}
	summary := text[strings.Index(text, "engramd demo:"):]
	for _, want := range []string{
		"everything happened that it is for", "committed: threads.spreading 1 -> 2", "committed: tiers.", "rolled_back: threads.spreading 2 -> 4", "diagnosis: ",
	} {
		if !strings.Contains(summary, want) {
			t.Errorf("the summary has no %q:\n%s", want, summary)
		}
	}
	wants := []struct{ resource, state string }{{"threads.spreading", "committed"}, {"tiers.", "committed"}, {"threads.spreading", "rolled_back"}}
	lines := explained.FindAllStringSubmatch(summary, -1)
	if len(lines) != len(wants) {
		t.Fatalf("%d commands to explain, want %d:\n%s", len(lines), len(wants), summary)
	}
	for i, want := range wants {
		one := explain(t, lines[i][1], lines[i][2])
		if one.State != want.state || !strings.HasPrefix(one.Resource, want.resource) {
			t.Errorf("%s is %s of %s, want %s of %s", lines[i][2], one.State, one.Resource, want.state, want.resource)
		}
		if want.state == "rolled_back" && one.Diagnosis == "" {
			t.Errorf("%s has no diagnosis", lines[i][2])
		}
	}
	if left := entries(t, d.Temp); len(left) != 1 || filepath.Join(d.Temp, left[0]) != lines[0][1] {
		t.Errorf("%v stay, want only the directory that was told", left)
	}
	if left := entries(t, lines[0][1]); !cmp.Equal(left, []string{"agent.log", "agent.yaml", "events.jsonl", "journal.db"}) {
		t.Errorf("in the directory stay %v", left)
	}
}

// An action is what explain tells of one, as far as it is looked at here.
type action struct {
	State     string `json:"state"`
	Resource  string `json:"resource"`
	Diagnosis string `json:"diagnosis"`
}

// explain runs the command that the summary tells, once for people and once for programs.
func explain(t *testing.T, dir, id string) action {
	t.Helper()
	out, err := exec.Command(demo.Binary(t), "explain", "--data-dir", dir, id).CombinedOutput()
	if err != nil || !bytes.Contains(out, []byte(id)) {
		t.Errorf("explain %s: %v:\n%s", id, err, out)
	}
	out, err = exec.Command(demo.Binary(t), "explain", "-o", "json", "--data-dir", dir, id).Output()
	var x struct{ Action *action }
	if err == nil {
		err = json.Unmarshal(out, &x)
	}
	if err != nil || x.Action == nil {
		t.Fatalf("explain -o json %s: %v:\n%s", id, err, out)
	}
	return *x.Action
}

// TestE2EDemoOnATerminal runs it with the live view, to its end, through changes of size.
func TestE2EDemoOnATerminal(t *testing.T) {
	testenv.Need(t, "node")
	person, tty := testenv.PTY(t, 100, 40)
	before := testenv.TerminalMode(t, tty)
	d := demo.Start(t, demo.Options{TTY: tty, Person: person, Args: []string{"--data-dir", filepath.Join(t.TempDir(), "kept")}})
	d.Shows(t, "SIGNALS", 30*time.Second)
	testenv.ResizePTY(t, person, 20, 10)
	testenv.ResizePTY(t, person, 100, 40)
	code := d.Ends(t, whole)
	testenv.Eventually(t, 10*time.Second, "the summary is written", func() bool { return strings.Contains(d.Text(), "until you remove them") })
	text := d.Text()
	keep(t, "demo.typescript", text)
	if code != 0 {
		t.Errorf("exit code %d:\n%s", code, text)
	}
	for _, want := range []string{"ROW THAT HOLDS", "pathological", "rolled_back", "diagnosis", "everything happened that it is for"} {
		if !strings.Contains(text, want) {
			t.Errorf("it never showed %q", want)
		}
	}
	in, out := strings.Index(text, "\x1b[?1049h"), strings.LastIndex(text, "\x1b[?1049l")
	if in < 0 || out < in || strings.Index(text, "engramd demo:") < out {
		t.Errorf("the alternate screen is entered at %d and left at %d of the text, before the summary", in, out)
	}
	if diff := cmp.Diff(before, testenv.TerminalMode(t, tty)); diff != "" {
		t.Errorf("the terminal is not as it was (-before +after):\n%s", diff)
	}
	if left := entries(t, d.Temp); len(left) != 0 {
		t.Errorf("with --data-dir %v stay elsewhere", left)
	}
}

// TestE2EDemoIsLeft leaves it in each phase, by key and by signal: it ends soon, and nothing of it stays.
func TestE2EDemoIsLeft(t *testing.T) {
	testenv.Need(t, "node")
	t.Parallel()
	for i, phase := range []string{"Importing", "calm", "rising", "spiking", "pathological"} {
		t.Run(phase, func(t *testing.T) {
			t.Parallel()
			if i%2 == 0 {
				leftByKey(t, phase)
			} else {
				leftBySignal(t, phase)
			}
		})
	}
}

func leftByKey(t *testing.T, phase string) {
	person, tty := testenv.PTY(t, 80, 24)
	before := testenv.TerminalMode(t, tty)
	d := demo.Start(t, demo.Options{TTY: tty, Person: person})
	d.Shows(t, map[string]string{"Importing": "Importing", "rising": "Three clients", "pathological": "24 clients"}[phase], whole)
	if _, err := person.WriteString("\x03"); err != nil {
		t.Fatal(err)
	}
	gone(t, d)
	if diff := cmp.Diff(before, testenv.TerminalMode(t, tty)); diff != "" {
		t.Errorf("the terminal is not as it was (-before +after):\n%s", diff)
	}
	testenv.Eventually(t, 5*time.Second, "the screen is given back", func() bool { return strings.Contains(d.Text(), "\x1b[?1049l") })
}

func leftBySignal(t *testing.T, phase string) {
	d := demo.Start(t, demo.Options{})
	d.Shows(t, "phase     "+phase, whole)
	d.Signal(t, map[string]os.Signal{"calm": syscall.SIGHUP, "spiking": syscall.SIGTERM}[phase])
	gone(t, d)
}

// TestE2EDemoWithoutReader ends when who reads its lines has gone, as head does.
func TestE2EDemoWithoutReader(t *testing.T) {
	testenv.Need(t, "node")
	t.Parallel()
	read, write, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	d := demo.Start(t, demo.Options{Stdout: write})
	write.Close()
	if _, err := bufio.NewReader(read).ReadString('\n'); err != nil {
		t.Error(err)
	}
	read.Close()
	if code := d.Ends(t, 20*time.Second); code != 1 {
		t.Errorf("exit code %d, want 1:\n%s", code, d.Text())
	}
	if left := entries(t, d.Temp); len(left) != 0 {
		t.Errorf("%v stay", left)
	}
}

var ports = regexp.MustCompile(`127\.0\.0\.1:(\d+)`)

// gone holds that an interrupted demo leaves nothing: no directory, no port.
func gone(t *testing.T, d *demo.Demo) {
	t.Helper()
	if code := d.Ends(t, 20*time.Second); code != 1 {
		t.Errorf("exit code %d, want 1", code)
	}
	testenv.Eventually(t, 5*time.Second, "it says so", func() bool { return strings.Contains(d.Text(), "interrupted") })
	if left := entries(t, d.Temp); len(left) != 0 {
		t.Errorf("%v stay", left)
	}
	found := ports.FindAllStringSubmatch(d.Text(), -1)
	if len(found) < 2 {
		t.Fatalf("it told %d ports", len(found))
	}
	for _, port := range found[:2] {
		if c, err := net.Dial("tcp", "127.0.0.1:"+port[1]); err == nil {
			c.Close()
			t.Errorf("somebody still listens on port %s", port[1])
		}
	}
}

// TestE2EDemoCannotBegin tries it where something is missing: it says what, and leaves nothing.
func TestE2EDemoCannotBegin(t *testing.T) {
	testenv.Need(t, "node")
	full := t.TempDir()
	if err := os.WriteFile(filepath.Join(full, "mine"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		o    demo.Options
		says string
		code int
	}{
		"no directory for temporary files": {demo.Options{Env: []string{"TMPDIR=/proc/none"}}, "make a directory for the demo", 1},
		"a directory in use":               {demo.Options{Args: []string{"--data-dir", full}}, "is not empty", 1},
		"a directory that cannot be made":  {demo.Options{Args: []string{"--data-dir", "/proc/none"}}, "make --data-dir", 1},
		"no loopback": {demo.Options{Attributes: func(a *syscall.SysProcAttr) { a.Cloneflags = syscall.CLONE_NEWNET }},
			"is lo up?", 1},
		"an argument": {demo.Options{Args: []string{"now"}}, "want no arguments", 2},
	} {
		t.Run(name, func(t *testing.T) {
			if c.o.Attributes != nil && os.Getuid() != 0 {
				t.Skip("a network without loopback needs root")
			}
			d := demo.Start(t, c.o)
			if code := d.Ends(t, 20*time.Second); code != c.code || !strings.Contains(d.Text(), c.says) {
				t.Errorf("exit code %d, want %d and %q:\n%s", code, c.code, c.says, d.Text())
			}
			if left := entries(t, d.Temp); len(left) != 0 {
				t.Errorf("%v stay", left)
			}
		})
	}
	if left := entries(t, full); !cmp.Equal(left, []string{"mine"}) {
		t.Errorf("in the directory that was in use are %v", left)
	}
}

// TestE2EDemoOnADumbTerminal holds that a terminal that cannot move its cursor, and --plain, get lines.
func TestE2EDemoOnADumbTerminal(t *testing.T) {
	testenv.Need(t, "node")
	t.Parallel()
	for name, o := range map[string]demo.Options{"dumb": {Env: []string{"TERM=dumb"}}, "plain": {Args: []string{"--plain"}}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o.Person, o.TTY = testenv.PTY(t, 20, 5)
			d := demo.Start(t, o)
			d.Shows(t, "phase     calm", whole)
			if text := d.Text(); strings.Contains(text, "\x1b") {
				t.Errorf("escape sequences: %q", text)
			}
			d.Signal(t, syscall.SIGINT)
			gone(t, d)
		})
	}
}

func entries(t *testing.T, dir string) (names []string) {
	t.Helper()
	all, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range all {
		names = append(names, e.Name())
	}
	return names
}

// keep leaves what a demo wrote to be looked at; a typescript is played by cat on a terminal of 100 columns.
func keep(t *testing.T, name, text string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(testenv.Artifacts(t), name), []byte(text), 0o644); err != nil {
		t.Error(fmt.Errorf("keep what it wrote: %w", err))
	}
}
