package host

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/engramd/engramd/testenv"
)

const (
	bootsWithin = 5 * time.Minute // emulated, on a busy machine
	endsWithin  = 10 * time.Second
)

// Options are what a machine has beyond the usual.
type Options struct {
	Disk int64 // bytes of a second, empty disk, /dev/disk/by-id/virtio-data; 0 is none
}

// A Machine is one that runs.
type Machine struct {
	Guest
	qemu    *testenv.Process
	claim   net.Listener
	monitor *monitor
	console string
}

// Boot starts a machine and waits until its service manager has started everything. The console goes to a file of the given
// directory. Nothing of the machine has a name in a file system: the copy of the disk, the second disk and the sockets are
// open files of QEMU, and QEMU dies with this process.
func Boot(ctx context.Context, dir string, options Options) (*Machine, error) {
	img, err := findImage()
	if err != nil {
		return nil, err
	}
	m := &Machine{console: filepath.Join(dir, "console.log")}
	if err := m.start(img, options); err != nil {
		return nil, errors.Join(fmt.Errorf("start the machine: %w", err), m.Close())
	}
	if err := m.monitor.do("qmp_capabilities", struct{}{}); err != nil {
		return nil, errors.Join(fmt.Errorf("start the machine: %w:\n%s", err, m.Console()), m.Close())
	}
	if err := m.awaitBoot(ctx); err != nil {
		return nil, errors.Join(fmt.Errorf("boot the machine: %w\nthe end of its console:\n%s", err, m.Console()), m.Close())
	}
	return m, nil
}

func (m *Machine) start(img image, options Options) error {
	port, claim, err := testenv.ClaimPort()
	if err != nil {
		return err
	}
	m.claim, m.URL = claim, fmt.Sprintf("http://127.0.0.1:%d", port)
	if err := os.WriteFile(m.console, nil, 0o644); err != nil {
		return err
	}
	payload, err := payload()
	if err != nil {
		return err
	}
	defer payload.Close()
	data, err := unnamed()
	if err != nil {
		return err
	}
	defer data.Close()
	if err := data.Truncate(options.Disk); err != nil {
		return err
	}
	theirs, err := m.openMonitor()
	if err != nil {
		return err
	}
	defer theirs.Close()
	files := []*os.File{payload, data, theirs} // 3, 4 and 5
	m.qemu, err = testenv.SpawnWith(files, "/", m.console, os.Environ(), "qemu-system-x86_64", flags(img, port, options)...)
	return err
}

// flags describe the machine: two nodes of two processors and a gigabyte each.
func flags(img image, port int, options Options) []string {
	root := "if=none,id=root,format=raw,snapshot=on,cache=unsafe,file=" + strings.ReplaceAll(img.disk(), ",", ",,")
	lines := []string{
		"-accel tcg,thread=multi -cpu max -smp 4 -m 2048",
		"-object memory-backend-ram,id=m0,size=1024M -numa node,nodeid=0,cpus=0-1,memdev=m0",
		"-object memory-backend-ram,id=m1,size=1024M -numa node,nodeid=1,cpus=2-3,memdev=m1",
		"-display none -serial stdio -no-reboot -nodefaults",
		"-chardev socket,id=qmp,fd=5 -mon chardev=qmp,mode=control",
		"-device virtio-blk-pci,drive=root", // the first of them: /dev/vda
		"-netdev user,id=net,restrict=on,ipv6=off,hostfwd=tcp:127.0.0.1:" + fmt.Sprint(port) + "-10.0.2.15:80 -device virtio-net-pci,netdev=net,romfile=",
		"-drive if=none,id=payload,file=/proc/self/fd/3,format=raw -device virtio-blk-pci,drive=payload,serial=payload",
		"-object rng-random,id=rng,filename=/dev/urandom -device virtio-rng-pci,rng=rng",
	}
	if options.Disk > 0 {
		lines = append(lines, "-drive if=none,id=data,file=/proc/self/fd/4,format=raw,cache=unsafe -device virtio-blk-pci,drive=data,serial=data")
	}
	all := strings.Fields(strings.Join(lines, " "))
	return append(all, "-drive", root, "-kernel", img.kernel(), "-initrd", img.initrd(),
		"-append", "root=/dev/vda rw console=ttyS0 psi=1 mitigations=off no_timer_check panic=-1 systemd.show_status=false systemd.journald.forward_to_console=1")
}

func (m *Machine) awaitBoot(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, bootsWithin)
	defer cancel()
	tick := time.NewTicker(200 * time.Millisecond)
	defer tick.Stop()
	for !m.Ready(ctx) {
		if !m.qemu.Running() {
			return fmt.Errorf("qemu has ended: %w", m.qemu.Err())
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return fmt.Errorf("its guest does not answer: %w", context.Cause(ctx))
		}
	}
	if _, err := m.Output(ctx, "systemctl", "is-system-running", "--wait"); err != nil {
		failed, _ := m.Output(ctx, "systemctl", "--no-pager", "--failed")
		return fmt.Errorf("%w\n%s", err, failed)
	}
	return nil
}

// Console is the end of what the machine wrote to its console.
func (m *Machine) Console() string {
	content, err := os.ReadFile(m.console)
	if err != nil {
		return err.Error()
	}
	return strings.TrimSpace(string(content[max(0, len(content)-4000):]))
}

// Close switches the machine off at once: nothing of it is kept.
func (m *Machine) Close() error {
	err := m.qemu.End(syscall.SIGKILL, endsWithin)
	if m.monitor != nil {
		err = errors.Join(err, m.monitor.Close())
	}
	if m.claim != nil {
		err = errors.Join(err, m.claim.Close())
	}
	return err
}
