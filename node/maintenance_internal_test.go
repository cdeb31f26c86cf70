package node

import (
	"errors"
	"io/fs"
	"syscall"
	"testing"
	"time"

	"github.com/engramd/engramd/node/disk"
	"github.com/engramd/engramd/node/disk/powercut"
)

// TestMaintenanceOnAFullDisk: it is refused as a write is, and can be given up all the same.
func TestMaintenanceOnAFullDisk(t *testing.T) {
	d := powercut.New()
	m, err := readMaintenance(d, time.Now)
	if err != nil {
		t.Fatal(err)
	}
	n := &Node{maintenance: m, opts: Options{Now: time.Now}}
	if _, err := n.EnableMaintenance("x", 0); err != nil {
		t.Fatal(err)
	}
	full := false
	d.Fault = func(op powercut.Op) error {
		if full && op.Kind == "write" {
			return syscall.ENOSPC
		}
		return nil
	}
	full = true
	if _, err := n.EnableMaintenance("y", 0); !errors.Is(err, ErrFull) || len(n.Maintenance()) != 1 {
		t.Errorf("%v, %v; want ErrFull and one hold", err, n.Maintenance())
	}
	for range 2 {
		if _, err := n.DisableMaintenance("x", false); err != nil || m.refusal() != nil {
			t.Errorf("given up: %v, %v", err, m.refusal())
		}
	}
	if _, err := disk.ReadWhole(d, maintenanceFile); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the file: %v", err)
	}
}
