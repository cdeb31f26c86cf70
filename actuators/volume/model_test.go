package volume_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/engramd/engramd/actuators/volume"
	"github.com/engramd/engramd/policy"
)

const (
	mib = 1 << 20
	gib = 1 << 30
)

// A model is a host with one disk: the files that the kernel shows of it, and tools that change them.
type model struct {
	t     *testing.T
	root  string
	point string // where the file system is mounted
	fs    string

	mu        sync.Mutex
	disk      int64
	partition int64 // how much of the disk the kernel says that it has, 0 if there is none
	table     int64 // how much its table says
	room      int64 // bytes that the file system takes
	missing   map[string]bool
	dead      bool // the tool that runs next never ends; nothing after it does anything
	killAt    int  // the call of a tool before whose effect, or after whose if killAfter, the process dies; 0 never
	killAfter bool
	wait      time.Duration // how patient a step is
	calls     []string
	says      map[string]error // what a tool fails with, after writing its text
}

func contains(text, part string) bool { return strings.Contains(text, part) }

var errKilled = errors.New("killed")

const start = mib // of the partition

// newModel makes a host whose file system fills size bytes of a disk, in a partition or not.
func newModel(t *testing.T, fs string, size int64, partitioned bool) *model {
	m := &model{t: t, root: t.TempDir(), point: "/var/lib/engram", fs: fs, disk: size, room: size, wait: 10 * time.Second, missing: map[string]bool{}, says: map[string]error{}}
	if partitioned {
		m.partition, m.table = size-start-33*512, size-start-33*512
		m.room = m.partition / 4096 * 4096
	}
	for _, dir := range []string{"proc/self", "sys/dev/block", "sys/block", "dev", "etc"} {
		m.must(os.MkdirAll(filepath.Join(m.root, dir), 0o755))
	}
	m.write("etc/machine-id", "0123456789abcdef0123456789abcdef\n")
	m.write("sys/devices/vdb/stat", "  12 0 96 4 345 0 2760 80 0 1500 84 0 0 0 0 0 0\n")
	m.link("sys/block/vdb", "../devices/vdb")
	device := "vdb"
	if partitioned {
		device = "vdb/vdb1"
		m.write("sys/devices/vdb/vdb1/partition", "1\n")
		m.write("sys/devices/vdb/vdb1/start", strconv.Itoa(start/512))
		m.write("dev/vdb", strings.Repeat("\x00", 512)+"EFI PART"+strings.Repeat("\x00", 5000))
	}
	if partitioned {
		m.link("sys/dev/block/252:16", "../../devices/vdb")
	}
	m.link("sys/dev/block/252:17", "../../devices/"+device)
	m.mount("rw,relatime")
	m.show()
	return m
}

func (m *model) must(err error) {
	m.t.Helper()
	if err != nil {
		m.t.Fatal(err)
	}
}

func (m *model) write(name, text string) {
	m.t.Helper()
	name = filepath.Join(m.root, name)
	m.must(os.MkdirAll(filepath.Dir(name), 0o755))
	m.must(os.WriteFile(name, []byte(text), 0o644))
}

func (m *model) link(name, to string) {
	m.t.Helper()
	m.must(os.Symlink(to, filepath.Join(m.root, name)))
}

// mount writes what is mounted.
func (m *model) mount(options string) {
	m.write("proc/self/mountinfo", fmt.Sprintf("27 1 254:0 / / rw,relatime - ext4 /dev/vda rw\n39 27 252:17 / %s %s shared:1 - %s /dev/vdb1 rw\n", m.point, options, m.fs))
}

// show writes what the kernel shows of the disk.
func (m *model) show() {
	m.write("sys/devices/vdb/size", strconv.FormatInt(m.disk/512, 10))
	if m.partition > 0 {
		m.write("sys/devices/vdb/vdb1/size", strconv.FormatInt(m.partition/512, 10))
	}
}

// grow makes the disk larger, as whoever it comes from would.
func (m *model) grow(bytes int64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.disk = bytes
	m.show()
}

// driver is a driver of a process that lives from now on.
func (m *model) driver() *volume.Driver {
	m.mu.Lock()
	m.dead = false
	m.mu.Unlock()
	return volume.NewFake(volume.Fake{
		Root: m.root, Wait: m.wait, Run: m.run,
		Usage: func(string) (volume.Usage, error) {
			return volume.Usage{Size: m.room, Used: m.room * 9 / 10, Available: m.room / 10, Inodes: 1000, InodesFree: 900}, nil
		},
		Extent: func(string, string) (volume.Extent, error) {
			m.mu.Lock()
			defer m.mu.Unlock()
			return volume.Extent{Bytes: m.room, Block: 4096, Most: 16 << 40}, nil
		},
		Find: func(tool string) (string, error) {
			if m.missing[tool] {
				return "", errors.New("there is none")
			}
			return "/usr/sbin/" + tool, nil
		},
	})
}

// run is every tool.
func (m *model) run(ctx context.Context, argv ...string) (string, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	tool := filepath.Base(argv[0])
	call := strings.Join(append([]string{tool}, argv[1:]...), " ")
	if m.dead {
		return "", errKilled
	}
	m.calls = append(m.calls, call)
	if err := ctx.Err(); err != nil {
		return "", err
	}
	if m.killAt == len(m.calls) && !m.killAfter {
		m.dead = true
		return "", errKilled
	}
	if err := m.says[tool]; err != nil {
		m.says[tool] = m.says[tool+" again"]
		return err.Error(), errors.New("exit status 1")
	}
	out, err := m.effect(tool, argv[1:])
	if m.killAt == len(m.calls) {
		m.dead = true
		return "", errKilled
	}
	return out, err
}

func (m *model) effect(tool string, args []string) (string, error) {
	device := m.disk
	switch tool {
	case "growpart":
		end := (m.disk - 33*512) / 512 * 512
		if m.table >= end-start-mib {
			return "NOCHANGE: partition 1 is size 2048. it cannot be grown\n", errors.New("exit status 1")
		}
		m.table = end - start
		if m.killAt != len(m.calls) { // else before the kernel heard of it
			m.partition = m.table
		}
		m.show()
		return "CHANGED: partition=1\n", nil
	case "partx":
		m.partition = m.table
		m.show()
		return "", nil
	case "resize2fs", "xfs_growfs":
		if m.partition > 0 {
			device = m.partition
		}
		m.room = device / 4096 * 4096
		for i, arg := range args {
			if kib, ok := strings.CutSuffix(arg, "K"); ok && tool == "resize2fs" {
				n, _ := strconv.ParseInt(kib, 10, 64)
				m.room = n * 1024
			}
			if arg == "-D" {
				n, _ := strconv.ParseInt(args[i+1], 10, 64)
				m.room = n * 4096
			}
		}
		if m.room > device {
			return "The containing partition (or device) is only that large", errors.New("exit status 1")
		}
		return "is now so many blocks long\n", nil
	}
	return "", fmt.Errorf("there is no %s", tool)
}

// target is the file system, on a volume of a cloud if there is one.
func (m *model) target(c *cloudModel) policy.Target {
	spec := &volume.Spec{Path: m.point}
	if c != nil {
		spec.AWS = volume.AWS{VolumeID: volumeID, Region: "us-east-1", Endpoint: c.url}
	}
	return policy.Target{Name: "engram", AllowIrreversible: true, Specs: map[string]any{"volume": spec}}
}
