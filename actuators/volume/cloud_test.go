package volume_test

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/engramd/engramd/actuators"
	"github.com/engramd/engramd/testenv"
)

// do carries out a plan to its first error.
func do(ctx context.Context, d actuators.Driver, m *model, c *cloudModel, plan actuators.Plan) (done int, err error) {
	for i, s := range plan.Steps {
		if err := d.Do(ctx, m.target(c), s); err != nil {
			return i, err
		}
	}
	return len(plan.Steps), nil
}

// TestVolumeGrows goes all the way, and asks AWS for no more than it needs.
func TestVolumeGrows(t *testing.T) {
	m, c := newModel(t, "ext4", 8*gib, true), newCloud(t, 8)
	c.grown = m.grow
	d := m.driver()
	_, plan, err := planned(t, d, m.target(c), 16*gib)
	if err != nil {
		t.Fatal(err)
	}
	if n, err := do(t.Context(), d, m, c, plan); err != nil {
		t.Fatalf("step %d: %v", n, err)
	}
	want := []string{"growpart /dev/vdb 1", "resize2fs /dev/vdb1"}
	if !slices.Equal(m.calls, want) || c.asked != 1 || c.gib != 16 {
		t.Errorf("tools %q, asked %d times, %d GiB", m.calls, c.asked, c.gib)
	}
	looks := len(c.requests)
	for range 5 {
		if _, err := d.Observe(t.Context(), m.target(c)); err != nil {
			t.Fatal(err)
		}
	}
	if len(c.requests) != looks {
		t.Errorf("AWS is asked at every look: %q", c.requests[looks:])
	}
}

// TestVolumeFaults has each answer of EC2 that is not a yes.
func TestVolumeFaults(t *testing.T) {
	for _, f := range []struct {
		failure
		kind error
		says string
		done int // steps before it
	}{
		{failure{action: "ModifyVolume", code: "VolumeModificationRateExceeded", message: "You've reached the maximum modification rate per volume limit."}, actuators.ErrRefused, "VolumeModificationRateExceeded", 1},
		{failure{action: "ModifyVolume", code: "IncorrectState", message: "Volume is not in the in-use state."}, actuators.ErrRefused, "IncorrectState", 1},
		{failure{action: "ModifyVolume", code: "IncorrectModificationState", message: "It has one in progress."}, actuators.ErrRefused, "IncorrectModificationState", 1},
		{failure{action: "ModifyVolume", status: 503, code: "RequestLimitExceeded", message: "Request limit exceeded."}, actuators.ErrTransient, "RequestLimitExceeded", 1},
		{failure{action: "DescribeVolumesModifications", status: 503, code: "RequestLimitExceeded", message: "Request limit exceeded."}, actuators.ErrTransient, "RequestLimitExceeded", 0},
		{failure{action: "ModifyVolume dry", status: 403, code: "UnauthorizedOperation", message: "You are not authorized."}, actuators.ErrRefused, "grant ec2:DescribeVolumes", 0},
		{failure{action: "ModifyVolume", status: 500, code: "InternalError", message: "Oops."}, actuators.ErrTransient, "InternalError", 1},
		{failure{action: "ModifyVolume", code: "InvalidParameterValue", message: "Volume of 16 GiB is too large for this type."}, actuators.ErrRefused, "too large", 1},
		{failure{action: "ModifyVolume", code: "Whatever", message: "New."}, nil, "Whatever: New.", 1},
	} {
		t.Run(f.action+" "+f.code, func(t *testing.T) {
			m, c := newModel(t, "ext4", 8*gib, false), newCloud(t, 8)
			c.grown = m.grow
			d := m.driver()
			_, plan, err := planned(t, d, m.target(c), 16*gib)
			if err != nil {
				t.Fatal(err)
			}
			c.fail(f.failure)
			n, err := do(t.Context(), d, m, c, plan)
			if n != f.done || err == nil || f.kind != nil && !errors.Is(err, f.kind) || !strings.Contains(err.Error(), f.says) {
				t.Errorf("step %d: %v", n, err)
			}
			if f.kind == nil && (errors.Is(err, actuators.ErrTransient) || errors.Is(err, actuators.ErrRefused)) {
				t.Errorf("an unknown answer counts as %v", err)
			}
			if err != nil && strings.Contains(err.Error(), "AKIDEXAMPLE") {
				t.Errorf("the request is told: %v", err)
			}
			if c.asked != 0 || len(m.calls) > 0 {
				t.Errorf("%d modifications, tools %q", c.asked, m.calls)
			}
			if !errors.Is(err, actuators.ErrTransient) {
				return
			}
			if n, err := do(t.Context(), d, m, c, plan); err != nil {
				t.Errorf("again: step %d: %v", n, err)
			}
		})
	}
}

// TestRateIsRemembered refuses the next plan until the time that AWS has named, or six hours.
func TestRateIsRemembered(t *testing.T) {
	soon := time.Now().Add(90 * time.Minute).UTC()
	for message, until := range map[string]time.Time{
		"You've reached the maximum modification rate per volume limit.":          time.Now().Add(6 * time.Hour).UTC(),
		"You can modify it again at " + soon.Format("2006-01-02T15:04:05Z") + ".": soon,
	} {
		m, c := newModel(t, "ext4", 8*gib, false), newCloud(t, 8)
		d := m.driver()
		_, plan, err := planned(t, d, m.target(c), 16*gib)
		if err != nil {
			t.Fatal(err)
		}
		c.fail(failure{action: "ModifyVolume", code: "VolumeModificationRateExceeded", message: message})
		if _, err := do(t.Context(), d, m, c, plan); !errors.Is(err, actuators.ErrRefused) {
			t.Fatal(err)
		}
		d.Forget()
		_, _, err = planned(t, d, m.target(c), 16*gib)
		if !errors.Is(err, actuators.ErrRefused) || !strings.Contains(err.Error(), "before "+until.Format("2006-01-02 15:04")) {
			t.Errorf("%q: %v, want a refusal until %s", message, err, until.Format("15:04"))
		}
	}
}

// TestModificationUnderWay says when the next one will be possible, by how far this one is.
func TestModificationUnderWay(t *testing.T) {
	m, c := newModel(t, "ext4", 8*gib, false), newCloud(t, 8)
	c.last, c.target, c.looks = "optimizing", 8, 5 // 50% in 10 minutes
	_, _, err := planned(t, m.driver(), m.target(c), 16*gib)
	want := time.Now().Add(10 * time.Minute).UTC()
	if !errors.Is(err, actuators.ErrRefused) || !strings.Contains(err.Error(), "(50% done)") ||
		!strings.Contains(err.Error(), want.Format("2006-01-02 15:04")) && !strings.Contains(err.Error(), want.Add(-time.Minute).Format("2006-01-02 15:04")) {
		t.Errorf("got %v, want it about %s", err, want.Format("15:04"))
	}
}

// TestPredecessorAsked has a modification that was asked for by a process that was killed right then: it
// is waited for, and not asked for again.
func TestPredecessorAsked(t *testing.T) {
	m, c := newModel(t, "xfs", 8*gib, false), newCloud(t, 8)
	c.grown = m.grow
	_, plan, err := planned(t, m.driver(), m.target(c), 16*gib)
	if err != nil {
		t.Fatal(err)
	}
	c.last, c.target, c.asked = "modifying", 16, 1
	if n, err := do(t.Context(), m.driver(), m, c, plan); err != nil {
		t.Fatalf("step %d: %v", n, err)
	}
	if c.asked != 1 || m.room != 16*gib {
		t.Errorf("asked %d times; the file system has %d", c.asked, m.room)
	}
}

// TestModificationFails has AWS give up.
func TestModificationFails(t *testing.T) {
	m, c := newModel(t, "ext4", 8*gib, false), newCloud(t, 8)
	d := m.driver()
	_, plan, err := planned(t, d, m.target(c), 16*gib)
	if err != nil {
		t.Fatal(err)
	}
	c.failed = true
	if n, err := do(t.Context(), d, m, c, plan); n != 1 || !errors.Is(err, actuators.ErrRefused) || !strings.Contains(err.Error(), "could not modify") {
		t.Errorf("step %d: %v", n, err)
	}
}

// TestDiskDoesNotFollow has a volume that is larger while the kernel does not see it.
func TestDiskDoesNotFollow(t *testing.T) {
	m, c := newModel(t, "ext4", 8*gib, false), newCloud(t, 8)
	m.wait = 20 * time.Millisecond
	d := m.driver()
	_, plan, err := planned(t, d, m.target(c), 16*gib)
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for n < 2 { // on a busy machine the volume may take longer than that, too
		if n, err = do(t.Context(), d, m, c, plan); !errors.Is(err, actuators.ErrTransient) {
			break
		}
	}
	if n != 2 || !errors.Is(err, actuators.ErrTransient) || !strings.Contains(err.Error(), "/dev/vdb still has 8Gi, not 16Gi") {
		t.Errorf("step %d: %v", n, err)
	}
	m.grow(16 * gib)
	d.Forget()
	st, plan, err := planned(t, d, m.target(c), 16*gib)
	if err != nil || len(plan.Steps) != 2 || len(d.Diagnose(m.target(c), st)) != 1 {
		t.Errorf("once it does: %q, %v", texts(plan), err)
	}
}

// TestCloudAway sees the host all the same.
func TestCloudAway(t *testing.T) {
	m, c := newModel(t, "ext4", 8*gib, false), newCloud(t, 8)
	m.grow(12 * gib)
	c.fail(failure{action: "DescribeVolumes", status: http.StatusBadGateway, code: "", message: "", times: -1})
	d := m.driver()
	if _, _, err := planned(t, d, m.target(c), 12*gib); err != nil {
		t.Errorf("within the disk: %v", err)
	}
	if _, _, err := planned(t, d, m.target(c), 16*gib); !errors.Is(err, actuators.ErrRefused) || !strings.Contains(err.Error(), "is not known") {
		t.Errorf("beyond the disk: %v", err)
	}
}

// TestNoCredentials says what is missing.
func TestNoCredentials(t *testing.T) {
	m, c := newModel(t, "ext4", 8*gib, false), newCloud(t, 8)
	t.Setenv("AWS_ACCESS_KEY_ID", "")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "")
	if _, _, err := planned(t, m.driver(), m.target(c), 16*gib); err == nil || !strings.Contains(err.Error(), "credentials") {
		t.Errorf("got %v", err)
	}
	if len(c.requests) > 0 {
		t.Errorf("requests: %q", c.requests)
	}
}

// TestAnotherFileSystem has something else mounted at the path by the time of each step.
func TestAnotherFileSystem(t *testing.T) {
	m := newModel(t, "ext4", 8*gib, true)
	m.grow(16 * gib)
	d := m.driver()
	_, plan, err := planned(t, d, m.target(nil), 16*gib)
	if err != nil {
		t.Fatal(err)
	}
	for name, mounts := range map[string]string{
		"another device":      "39 27 252:16 / /var/lib/engram rw - ext4 /dev/vdb rw\n",
		"another file system": "39 27 252:17 / /var/lib/engram rw - xfs /dev/vdb1 rw\n",
		"nothing":             "27 1 254:0 / / rw - ext4 /dev/vda rw\n",
	} {
		m.write("proc/self/mountinfo", mounts)
		for _, s := range plan.Steps {
			if err := d.Do(t.Context(), m.target(nil), s); !errors.Is(err, actuators.ErrRefused) && !errors.Is(err, actuators.ErrNotFound) {
				t.Errorf("%s: %s: %v", name, s.Text, err)
			}
		}
	}
	if len(m.calls) > 0 {
		t.Errorf("tools were run: %q", m.calls)
	}
}

// TestDoneAlready runs no tool for what is so already.
func TestDoneAlready(t *testing.T) {
	m := newModel(t, "xfs", 8*gib, true)
	m.grow(16 * gib)
	d := m.driver()
	_, plan, err := planned(t, d, m.target(nil), 16*gib)
	if err != nil {
		t.Fatal(err)
	}
	for range 3 {
		if n, err := do(t.Context(), d, m, nil, plan); err != nil {
			t.Fatalf("step %d: %v", n, err)
		}
	}
	if want := []string{"growpart /dev/vdb 1", "xfs_growfs -d /var/lib/engram"}; !slices.Equal(m.calls, want) {
		t.Errorf("tools: %q", m.calls)
	}
}

// TestBusy has another process at the same work, such as the tool that a killed predecessor has left.
func TestBusy(t *testing.T) {
	for text, transient := range map[string]bool{
		"resize2fs: Device or resource busy while trying to grow": true,
		"xfs_growfs: resize is already in progress":               true,
		"resize2fs: Permission denied to resize filesystem":       false,
	} {
		m := newModel(t, "ext4", 8*gib, false)
		m.grow(16 * gib)
		m.says["resize2fs"] = errors.New(text)
		d := m.driver()
		_, plan, err := planned(t, d, m.target(nil), 16*gib)
		if err != nil {
			t.Fatal(err)
		}
		if n, err := do(t.Context(), d, m, nil, plan); n != 1 || errors.Is(err, actuators.ErrTransient) != transient || !strings.Contains(err.Error(), text) {
			t.Errorf("step %d: %v", n, err)
		}
	}
}

// TestSeenWhileItWaits has a modification that takes its time: the host is observed meanwhile, at once.
func TestSeenWhileItWaits(t *testing.T) {
	m, c := newModel(t, "ext4", 8*gib, false), newCloud(t, 8)
	d := m.driver()
	_, plan, err := planned(t, d, m.target(c), 16*gib)
	if err != nil {
		t.Fatal(err)
	}
	c.stuck = true
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() {
		_, err := do(ctx, d, m, c, plan)
		done <- err
	}()
	testenv.Eventually(t, 10*time.Second, "the modification was asked for", func() bool {
		c.mu.Lock()
		defer c.mu.Unlock()
		return c.asked == 1
	})
	for range 100 {
		if _, err := d.Observe(t.Context(), m.target(c)); err != nil {
			t.Fatal(err)
		}
	}
	select {
	case err := <-done:
		t.Errorf("it ended: %v", err)
	default:
	}
	cancel()
	if err := <-done; !errors.Is(err, context.Canceled) {
		t.Errorf("it ended with %v", err)
	}
}
