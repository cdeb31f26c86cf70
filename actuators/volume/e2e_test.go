package volume_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/engramd/engramd/actuators"
	"github.com/engramd/engramd/actuators/fake"
	"github.com/engramd/engramd/actuators/volume"
	"github.com/engramd/engramd/policy"
	"github.com/engramd/engramd/testenv"
	"github.com/engramd/engramd/testenv/loopdisk"
)

// A realDisk is a file system of the kernel's on a disk that grows.
type realDisk struct {
	*loopdisk.Disk
	t *testing.T
}

func newRealDisk(t *testing.T, fs, label string, bytes int64) *realDisk {
	t.Helper()
	return &realDisk{loopdisk.New(t, fs, label, bytes), t}
}

func (d *realDisk) target() policy.Target {
	return policy.Target{Name: "data", AllowIrreversible: true, Specs: map[string]any{"volume": &volume.Spec{Path: d.Point}}}
}

// fill writes a file, and takes all room that is left.
func (d *realDisk) fill() (text string) {
	d.t.Helper()
	text = strings.Repeat("what was there before\n", 100_000)
	if err := writeSynced(filepath.Join(d.Point, "full"), text); err != nil {
		d.t.Fatal(err)
	}
	f, err := os.Create(filepath.Join(d.Point, "filler"))
	if err != nil {
		d.t.Fatal(err)
	}
	defer f.Close()
	end := int64(0)
	for chunk := int64(64 * mib); chunk >= 4096; {
		if err := unix.Fallocate(int(f.Fd()), 0, end, chunk); errors.Is(err, unix.ENOSPC) {
			chunk /= 2
		} else if err != nil {
			d.t.Fatal(err)
		} else {
			end += chunk
		}
	}
	if err := writeSynced(filepath.Join(d.Point, "more"), text); !errors.Is(err, unix.ENOSPC) {
		d.t.Fatalf("it is not full: %v", err)
	}
	return text
}

// written writes small files while fn runs, and returns what is in each that was synced. A full disk
// ends none of it: it goes on when there is room.
func (d *realDisk) written(fn func()) map[string]string {
	d.t.Helper()
	ctx, cancel := context.WithCancel(d.t.Context())
	files, done := map[string]string{}, make(chan error, 1)
	go func() {
		for n := 0; ctx.Err() == nil && n < 2000; n++ {
			name, text := fmt.Sprintf("file-%d", n), strings.Repeat(fmt.Sprintf("%d of %d\n", n, n*n), 500)
			switch err := writeSynced(filepath.Join(d.Point, name), text); {
			case err == nil:
				files[name] = text
			case !errors.Is(err, unix.ENOSPC):
				done <- err
				return
			}
		}
		done <- nil
	}()
	fn()
	cancel()
	if err := <-done; err != nil {
		d.t.Errorf("write while it grows: %v", err)
	}
	return files
}

func writeSynced(name, text string) error {
	f, err := os.Create(name)
	if err != nil {
		return err
	}
	_, err = f.WriteString(text)
	return errors.Join(err, f.Sync(), f.Close())
}

// holds wants the files to be what they were, also after the file system was mounted again.
func (d *realDisk) holds(files map[string]string) {
	d.t.Helper()
	device := loopdisk.Run(d.t, "findmnt", "--noheadings", "--output", "SOURCE", d.Point)
	loopdisk.Run(d.t, "umount", d.Point)
	loopdisk.Run(d.t, "mount", device, d.Point)
	for name, want := range files {
		if got, err := os.ReadFile(filepath.Join(d.Point, name)); err != nil || string(got) != want {
			d.t.Errorf("%s: %d bytes, want %d; %v", name, len(got), len(want), err)
		}
	}
	if len(files) == 0 {
		d.t.Error("nothing was written meanwhile")
	}
}

// reaches observes what the driver says.
func (d *realDisk) reaches(driver *volume.Driver) (reaches, disk int64, st actuators.State) {
	d.t.Helper()
	st, err := driver.Observe(d.t.Context(), d.target())
	if err != nil {
		d.t.Fatal(err)
	}
	size, _ := st.Parts[0].Size(policy.Storage)
	reaches, _ = size.Amount()
	disk, _ = st.Parts[0].Configured[policy.Storage].Amount()
	return reaches, disk, st
}

// same allows for what a partition table takes.
func same(a, b int64) bool {
	return actuators.Same(policy.Storage, policy.Amount(a), policy.Amount(b))
}

// TestE2EGrow grows file systems of each kind while files are written to them, to all of their disk and
// to a part of it.
func TestE2EGrow(t *testing.T) {
	for _, c := range []struct {
		fs, label     string
		was, disk, to int64
		steps         int
	}{
		{"ext4", "", 64 * mib, 160 * mib, 160 * mib, 2},
		{"ext4", "", 64 * mib, 160 * mib, 96 * mib, 2},
		{"ext4", "gpt", 64 * mib, 160 * mib, 160 * mib, 3},
		{"ext4", "dos", 64 * mib, 160 * mib, 128 * mib, 3},
		{"xfs", "", 320 * mib, 640 * mib, 640 * mib, 2},
		{"xfs", "gpt", 320 * mib, 640 * mib, 448 * mib, 3},
		{"xfs", "gpt", 320 * mib, 640 * mib, 640 * mib, 3},
	} {
		t.Run(fmt.Sprintf("%s %s to %d of %d MiB", c.fs, c.label, c.to/mib, c.disk/mib), func(t *testing.T) {
			d, driver := newRealDisk(t, c.fs, c.label, c.was), volume.New(nil)
			if reaches, disk, st := d.reaches(driver); !same(reaches, c.was) || disk != c.was || len(driver.Diagnose(d.target(), st)) > 0 {
				t.Fatalf("at first it reaches %d of %d", reaches, disk)
			}
			d.Grow(d.t, c.disk)
			reaches, disk, st := d.reaches(driver)
			found := driver.Diagnose(d.target(), st)
			if !same(reaches, c.was) || disk != c.disk || len(found) != 1 {
				t.Fatalf("of the grown disk it reaches %d of %d; %+v", reaches, disk, found)
			}
			t.Logf("%s: %s", found[0].Detail, found[0].Remedy)
			room, _ := d.Room(t)
			plan, err := driver.Plan(d.target(), st, storage(c.to))
			if err != nil || len(plan.Steps) != c.steps {
				t.Fatalf("%d steps, %v: %s", len(plan.Steps), err, plan.Command)
			}
			t.Log(plan.Command)
			files := d.written(func() {
				for _, s := range plan.Steps {
					if err := driver.Do(t.Context(), d.target(), s); err != nil {
						t.Errorf("%s: %v", s.Text, err)
					}
				}
			})
			reaches, _, st = d.reaches(driver)
			now, _ := d.Room(t)
			if !same(reaches, c.to) || now < room+(c.to-c.was)*8/10 || (len(driver.Diagnose(d.target(), st)) > 0) != (c.to < c.disk) {
				t.Errorf("it reaches %d, want %d; its room was %d and is %d", reaches, c.to, room, now)
			}
			for _, s := range plan.Steps { // once more does nothing
				if err := driver.Do(t.Context(), d.target(), s); err != nil {
					t.Errorf("again: %s: %v", s.Text, err)
				}
			}
			if again, _, _ := d.reaches(driver); !same(again, c.to) {
				t.Errorf("again: it reaches %d", again)
			}
			d.holds(files)
		})
	}
}

// TestE2EFull grows file systems on which nothing is free: growing takes no room.
func TestE2EFull(t *testing.T) {
	for fs, was := range map[string]int64{"ext4": 64 * mib, "xfs": 320 * mib} {
		t.Run(fs, func(t *testing.T) {
			d, driver := newRealDisk(t, fs, "gpt", was), volume.New(nil)
			want := d.fill()
			d.Grow(d.t, 2*was)
			_, _, st := d.reaches(driver)
			plan, err := driver.Plan(d.target(), st, storage(2*was))
			if err != nil {
				t.Fatal(err)
			}
			t.Log(strings.Join(plan.Notes, "\n"))
			for _, s := range plan.Steps {
				if err := driver.Do(t.Context(), d.target(), s); err != nil {
					t.Fatalf("%s: %v", s.Text, err)
				}
			}
			if reaches, _, _ := d.reaches(driver); !same(reaches, 2*was) {
				t.Errorf("it reaches %d", reaches)
			}
			text, err := os.ReadFile(filepath.Join(d.Point, "full"))
			if err != nil || string(text) != want {
				t.Errorf("the file that filled it is another: %v", err)
			}
		})
	}
}

// TestE2EKilled has the process killed between the partition's growth and the file system's, and right
// before the kernel hears of the partition: its successor finishes forward, by the journal.
func TestE2EKilled(t *testing.T) {
	for _, fs := range []string{"ext4", "xfs"} {
		t.Run(fs, func(t *testing.T) {
			was := map[string]int64{"ext4": 64 * mib, "xfs": 320 * mib}[fs]
			d := newRealDisk(t, fs, "gpt", was)
			d.Grow(d.t, 2*was)
			journal := fake.NewJournal()
			first := newDoomed(t, volume.New(nil))
			x := actuators.NewExecutor(actuators.Config{Drivers: map[string]actuators.Driver{"volume": first}, Journal: journal, Events: &fake.Trace{}, Grace: time.Millisecond})
			_, _, st := d.reaches(first.Driver)
			a := actuators.Action{
				ID: "a1", TargetName: "data", Target: d.target(), Driver: "volume", Resource: policy.Storage, State: actuators.Waiting,
				Direction: policy.Growth, From: policy.Amount(was), To: policy.Amount(2 * was), First: policy.Amount(was), Parts: actuators.PartIDsOf(st),
			}
			a.Procedure.Validation = actuators.Validation{Settle: 100 * time.Millisecond, Every: 100 * time.Millisecond, Duration: time.Second, Checks: 3}
			var err error
			if a.Plan, err = first.Plan(a.Target, st, storage(2*was)); err != nil {
				t.Fatal(err)
			}
			if err := x.Start(t.Context(), a); err != nil {
				t.Fatal(err)
			}
			<-first.reached
			journal.Fill(errDead)
			x.Close(errDead)
			journal.Fill(nil)
			if reaches, _, _ := d.reaches(first.Driver); !same(reaches, was) {
				t.Fatalf("the file system reaches %d before anybody grew it", reaches)
			}
			left, err := journal.Actions()
			if err != nil || len(left) != 1 || left[0].State != actuators.Applying {
				t.Fatalf("left: %+v, %v", left, err)
			}
			left[0].Target = d.target()
			trace := &fake.Trace{}
			y := actuators.NewExecutor(actuators.Config{Drivers: map[string]actuators.Driver{"volume": volume.New(nil)}, Journal: journal, Events: trace})
			files := d.written(func() {
				if err := y.Recover(t.Context(), left[0]); err != nil {
					t.Fatal(err)
				}
				testenv.Eventually(t, 30*time.Second, "the successor is done", func() bool { return len(y.Active()) == 0 })
			})
			y.Close(errDead)
			end, _ := journal.Actions()
			if reaches, _, _ := d.reaches(volume.New(nil)); !same(reaches, 2*was) || end[0].State == actuators.Failed {
				t.Errorf("%s: %s; it reaches %d", end[0].State, end[0].Reason, reaches)
			}
			d.holds(files)
		})
	}
}

// A doomed driver never gets to the file system: its process is killed before.
type doomed struct {
	*volume.Driver
	reached chan struct{}
}

func newDoomed(t *testing.T, d *volume.Driver) *doomed {
	t.Helper()
	return &doomed{d, make(chan struct{})}
}

func (d *doomed) Do(ctx context.Context, t policy.Target, s actuators.Step) error {
	if s.Kind == "filesystem" {
		close(d.reached)
		<-ctx.Done()
		return errDead
	}
	return d.Driver.Do(ctx, t, s)
}

// TestE2ERefused has disks that did not grow, and what is between a file system and its disk.
func TestE2ERefused(t *testing.T) {
	d, driver := newRealDisk(t, "ext4", "gpt", 64*mib), volume.New(nil)
	_, _, st := d.reaches(driver)
	_, err := driver.Plan(d.target(), st, storage(128*mib))
	if !errors.Is(err, actuators.ErrRefused) || !strings.Contains(err.Error(), "make it 128Mi where it comes from") {
		t.Errorf("a disk that did not grow: %v", err)
	}
	d.Grow(d.t, 96*mib)
	_, _, st = d.reaches(driver)
	_, err = driver.Plan(d.target(), st, storage(128*mib))
	if !errors.Is(err, actuators.ErrRefused) || !strings.Contains(err.Error(), "up to 96Mi it can grow now") {
		t.Errorf("a disk that did not grow enough: %v", err)
	}
	loopdisk.Run(t, "mount", "-o", "remount,ro", d.Point)
	_, _, st = d.reaches(driver)
	if _, err = driver.Plan(d.target(), st, storage(96*mib)); !errors.Is(err, actuators.ErrRefused) || !strings.Contains(err.Error(), "read-only") {
		t.Errorf("read-only: %v", err)
	}
	away := d.target()
	away.Specs = map[string]any{"volume": &volume.Spec{Path: "/proc"}}
	if _, err := driver.Observe(t.Context(), away); !errors.Is(err, actuators.ErrRefused) {
		t.Errorf("/proc: %v", err)
	}
	away.Specs = map[string]any{"volume": &volume.Spec{Path: filepath.Dir(d.Point)}}
	if _, err := driver.Observe(t.Context(), away); !errors.Is(err, actuators.ErrNotFound) {
		t.Errorf("a directory that is none: %v", err)
	}
	gauges, err := driver.Gauges(t.Context(), d.target())
	seen := map[string]float64{}
	for _, g := range gauges {
		seen[g.Name] = g.Value
	}
	size, _ := d.Room(t)
	if err != nil || seen["storage_device_bytes"] != 96*mib || !same(int64(seen["storage_limit_bytes"]), 64*mib) || seen["storage_size_bytes"] != float64(size) {
		t.Errorf("gauges %v, %v", seen, err)
	}
}

// realMount is where testenv/host has mounted a file system on a disk of the machine, and made that disk
// larger since.
const realMount = "/srv/volume"

// TestE2EDisk grows the file system on the machine's own disk, which has grown.
func TestE2EDisk(t *testing.T) {
	testenv.Need(t, "host")
	d, driver := &realDisk{&loopdisk.Disk{Point: realMount}, t}, volume.New(nil)
	was, disk, st := d.reaches(driver)
	if was >= disk {
		t.Fatalf("%s reaches %d of %d: the disk has not grown", realMount, was, disk)
	}
	plan, err := driver.Plan(d.target(), st, storage(disk))
	if err != nil {
		t.Fatal(err)
	}
	t.Log(plan.Command)
	files := d.written(func() {
		for _, s := range plan.Steps {
			if err := driver.Do(t.Context(), d.target(), s); err != nil {
				t.Errorf("%s: %v", s.Text, err)
			}
		}
	})
	if reaches, _, _ := d.reaches(driver); reaches != disk {
		t.Errorf("it reaches %d of %d", reaches, disk)
	}
	d.holds(files)
}
