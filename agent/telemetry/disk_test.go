package telemetry_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/engramd/engramd/agent/telemetry"
)

// A disk that is really full, without the look at its free space that should have stopped us before.
func TestE2EDiskThatIsReallyFull(t *testing.T) {
	if os.Getenv("ENGRAMD_E2E") == "" {
		t.Skip("mounts a small file system: set ENGRAMD_E2E=docker, as root (make e2e-docker)")
	}
	dir := t.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=1m"); err != nil {
		t.Fatal("ENGRAMD_E2E is set, and no tmpfs can be mounted: ", err)
	}
	t.Cleanup(func() {
		// The tsdb leaks a file when it cannot write its last bytes, so the mount stays busy.
		if err := syscall.Unmount(dir, syscall.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	filler := filepath.Join(dir, "filler")
	fill := func() {
		f, err := os.Create(filler)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		for err == nil {
			_, err = f.Write(make([]byte, 512))
		}
	}
	b, reg := &book{}, prometheus.NewRegistry()
	open := func() *telemetry.Telemetry {
		tel, err := telemetry.New(telemetry.Options{Dir: dir, Registry: reg, Log: b.log(),
			Config: telemetry.Config{Interval: 50 * time.Millisecond, Targets: []telemetry.Target{{Name: "self", Observe: itself}}}})
		if err != nil {
			t.Fatal(err)
		}
		tel.SetFreeBytes(func(string) (uint64, error) { return 1 << 40, nil })
		return tel
	}
	tel := open()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- tel.Run(ctx) }()
	const expr = "engramd_host_memory_total_bytes"
	known(t, tel, expr)
	fill()
	eventually(t, func() error {
		if r := tel.Read(t.Context(), expr, time.Now()); r.Known {
			return fmt.Errorf("still known: %+v", r)
		}
		return nil
	})
	if n := b.count("the metric store takes no samples"); n != 1 || counter(t, reg, "engramd_store_full") != 1 {
		t.Errorf("said %d times: %s", n, b.text())
	}
	if err := os.Remove(filler); err != nil {
		t.Fatal(err)
	}
	known(t, tel, expr)
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
	if err := tel.Close(); err != nil {
		t.Error(err)
	}
	// What was torn then must not keep the next start from reading on.
	reg = prometheus.NewRegistry()
	tel = open()
	defer tel.Close()
	run(t, tel)
	known(t, tel, expr)
}
