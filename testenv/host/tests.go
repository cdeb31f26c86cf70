package host

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/engramd/engramd/testenv"
)

// RunTests runs the tests of a package inside, those that the pattern of go test -run matches, and shows each as a subtest
// of t: what fails, is skipped or says something inside does so here. Their own output is among the artifacts while they
// run, and what they leave there comes out. It fails the test if none matches, or if something of them stays behind.
func (m *Machine) RunTests(t *testing.T, pkg, pattern string, flags ...string) {
	t.Helper()
	room, err := m.Furnish(t.Context(), pkg)
	if err != nil {
		t.Fatalf("host: %v", err)
	}
	if _, err := m.Output(t.Context(), "mkdir", "-p", keptDir); err != nil { // it comes out also where no test keeps anything
		t.Fatalf("host: %v", err)
	}
	artifacts := testenv.Artifacts(t)
	log, err := os.Create(filepath.Join(artifacts, "output.log"))
	if err != nil {
		t.Fatalf("host: %v", err)
	}
	defer log.Close()
	code, err := m.report(t, room, pattern, log, flags)
	if err != nil {
		t.Errorf("host: %v", err)
	}
	if code != 0 && !t.Failed() {
		t.Errorf("host: every test of %s passed, and they ended with exit code %d; the end of %s:\n%s", pkg, code, log.Name(), lastOf(log))
	}
	if err := m.Get(t.Context(), keptDir, artifacts); err != nil {
		t.Errorf("host: %v", err)
	}
	m.expectNothingLeft(t)
}

// lastOf is the end of a log, where a test binary says what no test of its own says: a leak, a panic.
func lastOf(log *os.File) string {
	const most = 4 << 10
	end := make([]byte, most)
	info, err := log.Stat()
	if err != nil {
		return err.Error()
	}
	n, err := log.ReadAt(end, max(0, info.Size()-most))
	if err != nil && !errors.Is(err, io.EOF) {
		return err.Error()
	}
	return string(end[:n])
}

// report runs the tests and shows those that end while the others still run.
func (m *Machine) report(t *testing.T, room Room, pattern string, log io.Writer, flags []string) (code int, err error) {
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	convert := exec.CommandContext(ctx, "go", "tool", "test2json", "-p", room.Package)
	stdin, err := convert.StdinPipe()
	if err != nil {
		return -1, err
	}
	events, err := convert.StdoutPipe()
	if err != nil {
		return -1, err
	}
	if err := convert.Start(); err != nil {
		return -1, err
	}
	ended := make(chan error, 1)
	go func() {
		c := room.Command(pattern, io.MultiWriter(log, stdin), append(flags, "-test.v=test2json")...)
		exit, err := m.Do(ctx, c)
		code = exit
		ended <- errors.Join(err, stdin.Close())
	}()
	found, shown := show(t, events)
	cancelled := shown != nil
	if cancelled {
		cancel()
	}
	err = errors.Join(shown, <-ended, convert.Wait())
	if err == nil && found == 0 {
		err = fmt.Errorf("%s has no test that matches %s", room.Package, pattern)
	}
	return code, err
}

// leftovers is a script that lists what tests must not leave on a host: processes beside the guest's program and itself, settings
// of units, failed units.
const leftovers = `
group=/sys/fs/cgroup/system.slice/guest.service
main=$(systemctl show -P MainPID guest.service)
for pid in $(find $group -name cgroup.procs -exec cat {} +); do
	test $pid = $main -o $pid = $$ || { name=$(tr '\0' ' ' 2>/dev/null </proc/$pid/cmdline) && test -n "$name" && case $name in find*|cat*) ;; *) echo process $pid $name;; esac; }
done
find /etc/systemd/system.control /run/systemd/system.control -type f 2>/dev/null
systemctl list-units --failed --plain --no-legend
rm -rf "$1"
true
`

// expectNothingLeft gives what ends by itself some time to do so: a killed D-Bus takes services along that start again.
func (m *Machine) expectNothingLeft(t *testing.T) {
	t.Helper()
	left := ""
	defer func() {
		if left != "" {
			t.Errorf("host: left behind:\n%s", left)
		}
	}()
	for until := time.Now().Add(30 * time.Second); ; {
		out, err := m.Output(t.Context(), "sh", "-c", leftovers, "sh", keptDir)
		if err != nil {
			t.Errorf("host: %v", err)
			return
		}
		if left = strings.TrimSpace(out); left == "" || time.Now().After(until) {
			return
		}
		select {
		case <-time.After(time.Second):
		case <-t.Context().Done():
			return
		}
	}
}
