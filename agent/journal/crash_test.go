package journal_test

import (
	"bufio"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"

	"github.com/engramd/engramd/actuators"
	"github.com/engramd/engramd/agent/journal"
	"github.com/engramd/engramd/policy"
)

// childDir tells the test binary to be the process that is killed.
const childDir = "ENGRAMD_JOURNAL_TEST_DIR"

func TestMain(m *testing.M) {
	if dir := os.Getenv(childDir); dir != "" {
		writeUntilKilled(dir)
	}
	os.Exit(m.Run())
}

// writeUntilKilled puts actions and says so once each is on disk.
func writeUntilKilled(dir string) {
	j, err := journal.Open(dir, slog.New(slog.DiscardHandler))
	for n := 0; err == nil; n++ {
		if err = j.Put(action(fmt.Sprint("a", n), noon, actuators.Applying)); err == nil {
			fmt.Println("a", n)
		}
	}
	fmt.Println(err)
	os.Exit(1)
}

func TestWhatWasPutOutlivesSIGKILL(t *testing.T) {
	dir := t.TempDir()
	child := exec.CommandContext(t.Context(), os.Args[0])
	child.Env = append(os.Environ(), childDir+"="+dir)
	out, err := child.StdoutPipe()
	must(t, err)
	must(t, child.Start())
	lines, seen := bufio.NewScanner(out), 0
	for seen < 20 && lines.Scan() {
		if !strings.HasPrefix(lines.Text(), "a ") {
			t.Fatal(lines.Text())
		}
		seen++
	}
	must(t, child.Process.Kill())
	_ = child.Wait() // killed
	actions, err := open(t, dir).Actions(journal.ActionFilter{Open: true})
	must(t, err)
	if len(actions) < seen {
		t.Errorf("%d actions were acknowledged, %d are there", seen, len(actions))
	}
}

func TestAFullDisk(t *testing.T) {
	dir := t.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=256k"); err != nil {
		t.Skipf("needs the right to mount a small file system: %v", err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(dir, 0); err != nil {
			t.Error(err)
		}
	})
	j := open(t, dir)
	must(t, j.Put(action("a", noon, actuators.Applying)))

	fill, err := os.Create(dir + "/fill")
	must(t, err)
	for err == nil {
		_, err = fill.Write(make([]byte, 4096))
	}
	must(t, fill.Close())
	if !errors.Is(err, syscall.ENOSPC) {
		t.Fatal(err)
	}

	// Until bbolt has to grow its file, an update still fits into its free pages.
	big := action("a", noon, actuators.Verifying)
	big.Reason = strings.Repeat("x", 200<<10)
	if err := j.Put(big); !errors.Is(err, syscall.ENOSPC) {
		t.Fatalf("put on a full disk: %v", err)
	}
	got, err := j.Action("a")
	must(t, err)
	if got.State != actuators.Applying {
		t.Errorf("the record before became %s", got.State)
	}
	if _, err := j.PutDecisions(policy.Decision{Proposal: policy.Proposal{Why: big.Reason}}); err == nil {
		t.Error("a decision fitted on a full disk")
	}
	if ds, _ := j.Decisions(journal.DecisionFilter{}); len(ds) != 0 {
		t.Error("a decision that was not written is listed")
	}

	j = reopen(t, j) // an existing journal opens on a full disk
	must(t, os.Remove(dir+"/fill"))
	small := action("a", noon, actuators.Validating)
	must(t, j.Put(small))
	j = reopen(t, j)
	if got, err = j.Action("a"); err != nil || got.State != actuators.Validating {
		t.Errorf("with room again: %s, %v", got.State, err)
	}
	must(t, j.Close())
}
