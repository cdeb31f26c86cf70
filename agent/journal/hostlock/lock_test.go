package hostlock_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/engramd/engramd/actuators"
	"github.com/engramd/engramd/agent/journal/hostlock"
)

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// place makes a lock directory's path that every user can reach.
func place(t *testing.T) hostlock.Dir {
	t.Helper()
	parent, err := os.MkdirTemp("", "hostlock")
	must(t, err)
	t.Cleanup(func() { must(t, os.RemoveAll(parent)) })
	must(t, os.Chmod(parent, 0o777|os.ModeSticky))
	return hostlock.Dir(filepath.Join(parent, "engramd"))
}

func take(t *testing.T, d hostlock.Dir, key string) *hostlock.Lock {
	t.Helper()
	l, err := d.TryLock(key, "/data")
	must(t, err)
	t.Cleanup(func() { must(t, l.Close()) })
	return l
}

func act(id string) actuators.Action {
	return actuators.Action{ID: id, TargetName: "engram", State: actuators.Applying}
}

func TestOneHolderATarget(t *testing.T) {
	d := place(t)
	first := take(t, d, "docker:abc/engram")
	take(t, d, "docker:abc/worker") // another target is free

	_, err := d.TryLock("docker:abc/engram", "/other")
	held, ok := errors.AsType[*hostlock.HeldError](err)
	if !ok || !errors.Is(err, hostlock.ErrHeld) {
		t.Fatalf("got %v", err)
	}
	if held.PID != os.Getpid() || held.DataDir != "/data" || time.Since(held.Since) > time.Minute || held.Path != first.Path() {
		t.Errorf("held by %+v", held)
	}
	for _, want := range []string{"data_dir /data", "process ", "stands by"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%q does not say %q", err, want)
		}
	}
	must(t, first.Close())
	must(t, first.Close())
	take(t, d, "docker:abc/engram")
}

func TestRecordsAreReadAndCleared(t *testing.T) {
	d := place(t)
	l := take(t, d, "k")
	must(t, l.Record(act("a")))
	changed := act("a")
	changed.State = actuators.Verifying
	must(t, l.Record(changed))
	must(t, l.Record(act("b")))
	must(t, take(t, d, "other").Record(act("c"))) // of another target
	must(t, l.Close())

	l = take(t, d, "k")
	got, err := l.Read()
	must(t, err)
	if len(got) != 2 || got[0].ID != "a" || got[0].State != actuators.Verifying || got[1].ID != "b" {
		t.Fatalf("read %+v", got)
	}
	must(t, l.Clear("a"))
	must(t, l.Clear("a"))
	if got, err := l.Read(); err != nil || len(got) != 1 || got[0].ID != "b" {
		t.Errorf("after clearing: %+v, %v", got, err)
	}
}

func TestAnIDIsNoPath(t *testing.T) {
	l := take(t, place(t), "k")
	for _, id := range []string{"", "../x", "a/b", "a.b", strings.Repeat("a", 101)} {
		if err := l.Record(act(id)); err == nil {
			t.Errorf("recorded %q", id)
		}
		if err := l.Clear(id); err == nil {
			t.Errorf("cleared %q", id)
		}
	}
}

func TestALockWhoseFileIsGoneIsLost(t *testing.T) {
	tests := map[string]func(path string) error{
		"removed":  os.Remove,
		"replaced": func(path string) error { return errors.Join(os.Remove(path), os.WriteFile(path, nil, 0o666)) },
	}
	for name, harm := range tests {
		t.Run(name, func(t *testing.T) {
			l := take(t, place(t), "k")
			must(t, l.Check())
			must(t, harm(l.Path()))
			for what, err := range map[string]error{"check": l.Check(), "record": l.Record(act("a")), "clear": l.Clear("a")} {
				if !errors.Is(err, hostlock.ErrLost) {
					t.Errorf("%s: %v", what, err)
				}
			}
		})
	}
	l := take(t, place(t), "k")
	must(t, l.Close())
	if _, err := l.Read(); !errors.Is(err, hostlock.ErrLost) {
		t.Errorf("read of a closed lock: %v", err)
	}
}

// What other users may put where our file should be.
func TestAPlantedFileIsNotUsed(t *testing.T) {
	tests := map[string]func(path, victim string) error{
		"symlink":   func(path, victim string) error { return os.Symlink(victim, path) },
		"hard link": func(path, victim string) error { return os.Link(victim, path) },
		"pipe":      func(path, _ string) error { return syscall.Mkfifo(path, 0o666) },
		"directory": func(path, _ string) error { return os.Mkdir(path, 0o777) },
	}
	for name, plant := range tests {
		t.Run(name, func(t *testing.T) {
			d := place(t)
			l := take(t, d, "k")
			path := l.Path()
			must(t, l.Close())
			must(t, os.Remove(path))
			victim := filepath.Join(filepath.Dir(string(d)), "victim")
			must(t, os.WriteFile(victim, []byte("precious"), 0o600))
			must(t, plant(path, victim))
			if _, err := d.TryLock("k", "/data"); err == nil || !strings.Contains(err.Error(), path) {
				t.Errorf("got %v", err)
			}
			if text, err := os.ReadFile(victim); err != nil || string(text) != "precious" {
				t.Errorf("the victim holds %q, %v", text, err)
			}
		})
	}
}

func TestABrokenRecordIsSaid(t *testing.T) {
	d := place(t)
	l := take(t, d, "k")
	must(t, l.Record(act("a")))
	must(t, l.Record(act("b")))
	files, err := filepath.Glob(string(d) + "/*.a.action")
	must(t, err)
	must(t, os.WriteFile(files[0], []byte(`{"id":"a","tar`), 0o600))
	got, err := l.Read()
	if len(got) != 1 || got[0].ID != "b" || err == nil || !strings.Contains(err.Error(), files[0]) {
		t.Errorf("read %v, %v", got, err)
	}
}

func TestAFullDiskKeepsTheRecordBefore(t *testing.T) {
	mount := t.TempDir()
	if err := syscall.Mount("tmpfs", mount, "tmpfs", 0, "size=64k"); err != nil {
		t.Skipf("needs the right to mount a small file system: %v", err)
	}
	t.Cleanup(func() { must(t, syscall.Unmount(mount, 0)) })
	l, err := hostlock.Dir(mount+"/engramd").TryLock("k", "/data")
	must(t, err)
	defer l.Close()
	must(t, l.Record(act("a")))
	big := act("a")
	big.Reason = strings.Repeat("x", 128<<10)
	if err := l.Record(big); !errors.Is(err, syscall.ENOSPC) {
		t.Fatalf("got %v", err)
	}
	if got, err := l.Read(); err != nil || len(got) != 1 || got[0].Reason != "" {
		t.Errorf("read %v, %v", got, err)
	}
	must(t, l.Record(act("a"))) // there is room for this one
}
