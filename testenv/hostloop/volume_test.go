package hostloop_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/engramd/engramd/testenv"
	"github.com/engramd/engramd/testenv/loop"
	"github.com/engramd/engramd/testenv/loopdisk"
)

// filling doubles a volume that is more than 70% full, and leaves another one alone.
const filling = quick + `
mode: auto
metrics: {interval: 2s}
targets:
  - name: data
    volume: {path: "{{.Data}}"}
    allow_irreversible: true
    limits: {storage: {max: 256Mi}}
  - name: idle
    volume: {path: "{{.Idle}}"}
policies:
  - name: disk
    target: data
    every: 2s
    matrix:
      signals:
        disk: >-
          max(100 * engramd_target_storage_used_bytes{target="$target"}
          / (engramd_target_storage_used_bytes{target="$target"} + engramd_target_storage_available_bytes{target="$target"}))
      rows:
        - {when: {disk: "< 70"}, do: none}
        - {when: {disk: ">= 70"}, for: 3s, do: scale, change: {storage: {by: x2}}}
`

const mebi = 1 << 20

// TestE2EVolume has an ext4 in a partition fill up. While its disk stays as it is engramd says what a person
// has to do; once it has grown engramd grows partition and file system. It is killed in between, and
// finishes forward. A disk that grew without anybody asking for it is told as drift, with what to run.
func TestE2EVolume(t *testing.T) {
	testenv.Need(t, "host")
	data, idle := loopdisk.New(t, "ext4", "gpt", 64*mebi), loopdisk.New(t, "ext4", "", 64*mebi)
	size, available := data.Room(t)
	if err := os.WriteFile(filepath.Join(data.Point, "memories"), make([]byte, available*8/10), 0o644); err != nil {
		t.Fatal(err)
	}
	idle.Grow(t, 128*mebi)
	a := loop.Start(t, filling, loop.Values{"Data": data.Point, "Idle": idle.Point})
	d := a.AwaitDecision(t, soon, "a growth beyond the disk is refused", func(x loop.Decision) bool { return x.Target == "data" && x.Refused != "" })
	if !strings.Contains(d.Refused, "make it 128Mi where it comes from") {
		t.Errorf("refused: %s", d.Refused)
	}
	e := a.AwaitEvent(t, soon, "drift of the idle volume", func(e loop.Event) bool { return e.Type == "drift" && e.Target == "idle" })
	if !strings.Contains(e.Message, "did not follow its disk") || !strings.Contains(e.Message, "run resize2fs "+idle.Device) {
		t.Errorf("drift: %s", e.Message)
	}
	if said := a.Do(t, "diagnose", "idle"); !strings.Contains(said, "did not follow its disk") {
		t.Errorf("engramd diagnose idle:\n%s", said)
	}

	hold := holdTool(t, "/usr/sbin/resize2fs")
	data.Grow(t, 128*mebi)
	testenv.Eventually(t, 2*soon, "the file system is about to grow", hold.held)
	a.Kill(t)
	if now, _ := data.Room(t); now != size {
		t.Errorf("the file system has %d bytes already, it had %d", now, size)
	}
	hold.release(t)
	a.Start(t)
	x := finals(t, a, "data")["data"]
	if x.State != "committed" || x.Strategy != "live" || x.Resource != "storage" {
		t.Errorf("%s of %s is %s: %s", x.Strategy, x.Resource, x.State, x.Reason)
	}
	if now, _ := data.Room(t); now < 2*size*9/10 {
		t.Errorf("the file system has %d bytes, it had %d", now, size)
	}
	if info, err := os.Stat(filepath.Join(data.Point, "memories")); err != nil || info.Size() != available*8/10 {
		t.Errorf("what was on it: %v, %v", info, err)
	}
	if now, _ := idle.Room(t); now > size*11/10 {
		t.Errorf("nobody asked for the idle volume to grow, and it has %d bytes", now)
	}
	t.Logf("engramd explain %s:\n%s", x.ID, a.Do(t, "explain", x.ID))
	t.Logf("engramd status:\n%s", a.Do(t, "status"))
}

// A held is a tool that does nothing but wait.
type held struct{ tool, dir string }

// holdTool puts a script in the place of a tool, which waits for ever and leaves a file that says so.
func holdTool(t *testing.T, tool string) held {
	t.Helper()
	h := held{tool, t.TempDir()}
	script := filepath.Join(h.dir, "script")
	if err := os.WriteFile(script, []byte("#!/bin/sh\necho $$ >"+h.dir+"/held\nexec sleep 1000\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	loopdisk.Run(t, "mount", "--bind", script, tool)
	t.Cleanup(func() { _ = exec.Command("umount", tool).Run() }) // released as a rule
	return h
}

func (h held) held() bool {
	text, err := os.ReadFile(filepath.Join(h.dir, "held"))
	return err == nil && len(text) > 0
}

// release gives the tool back and ends the one that waits, which outlives its engramd.
func (h held) release(t *testing.T) {
	t.Helper()
	loopdisk.Run(t, "umount", h.tool)
	text, err := os.ReadFile(filepath.Join(h.dir, "held"))
	if err != nil {
		t.Fatal(err)
	}
	loopdisk.Run(t, "kill", strings.TrimSpace(string(text)))
}
