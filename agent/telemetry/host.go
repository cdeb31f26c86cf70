package telemetry

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/prometheus/procfs"
	"github.com/prometheus/procfs/blockdevice"
)

// A host reads the machine from /proc. It is used by one goroutine.
type host struct {
	root  string // where proc and sys are
	dir   string // the data directory, for its file system
	fs    procfs.FS
	block blockdevice.FS
	ready bool
	cores map[int64]procfs.CPUStat // at the last reading
}

// read takes one reading. What cannot be read is left out, and named in the error.
func (h *host) read() ([]sample, error) {
	if err := h.open(); err != nil {
		return nil, err
	}
	var out []sample
	var errs []error
	for _, part := range []func() ([]sample, error){h.cpu, h.memory, h.load, h.pressure, h.disks, h.space, h.numa, h.network} {
		samples, err := part()
		out = append(out, samples...)
		errs = append(errs, err)
	}
	return out, errors.Join(errs...)
}

func (h *host) open() (err error) {
	if h.ready {
		return nil
	}
	proc := filepath.Join(h.root, "proc")
	if h.fs, err = procfs.NewFS(proc); err != nil {
		return fmt.Errorf("read the host: %w", err)
	}
	if h.block, err = blockdevice.NewFS(proc, filepath.Join(h.root, "sys")); err != nil {
		return fmt.Errorf("read the host's disks: %w", err)
	}
	h.ready = true
	return nil
}

// cpu gives the use of each core since the last reading, and what all have done since the start.
func (h *host) cpu() ([]sample, error) {
	stat, err := h.fs.Stat()
	if err != nil {
		return nil, fmt.Errorf("read the host's CPUs: %w", err)
	}
	out := []sample{{name: "engramd_host_cpu_cores", value: float64(len(stat.CPU))}}
	t := stat.CPUTotal
	for _, m := range []struct {
		mode    string
		seconds float64
	}{{"user", t.User + t.Nice}, {"system", t.System + t.IRQ + t.SoftIRQ}, {"idle", t.Idle}, {"iowait", t.Iowait}, {"steal", t.Steal}} {
		out = append(out, sample{"engramd_host_cpu_seconds_total", m.seconds, []string{"mode", m.mode}})
	}
	for core, now := range stat.CPU {
		before, ok := h.cores[core]
		if !ok {
			continue
		}
		if used, ok := busy(before, now); ok {
			out = append(out, sample{"engram_host_cpu_utilization_percent", used, []string{"core", strconv.FormatInt(core, 10)}})
		}
	}
	h.cores = stat.CPU
	return out, nil
}

// busy is the share of time, in per cent, that a core did not idle. Counters that go back, as those of
// a core that was switched off may, give none.
func busy(a, b procfs.CPUStat) (float64, bool) {
	idle := (b.Idle + b.Iowait) - (a.Idle + a.Iowait)
	total := sum(b) - sum(a)
	if total <= 0 || idle < 0 {
		return 0, false
	}
	return 100 * max(0, total-idle) / total, true
}

func sum(s procfs.CPUStat) float64 {
	return s.User + s.Nice + s.System + s.Idle + s.Iowait + s.IRQ + s.SoftIRQ + s.Steal
}

func (h *host) memory() ([]sample, error) {
	m, err := h.fs.Meminfo()
	if err != nil {
		return nil, fmt.Errorf("read the host's memory: %w", err)
	}
	var out []sample
	for _, v := range []struct {
		name  string
		bytes *uint64
	}{
		{"engramd_host_memory_total_bytes", m.MemTotalBytes},
		{"engramd_host_memory_available_bytes", m.MemAvailableBytes},
		{"engramd_host_memory_cached_bytes", m.CachedBytes},
		{"engramd_host_swap_total_bytes", m.SwapTotalBytes},
		{"engramd_host_swap_free_bytes", m.SwapFreeBytes},
	} {
		if v.bytes != nil {
			out = append(out, sample{name: v.name, value: float64(*v.bytes)})
		}
	}
	return out, nil
}

func (h *host) load() ([]sample, error) {
	l, err := h.fs.LoadAvg()
	if err != nil {
		return nil, fmt.Errorf("read the host's load: %w", err)
	}
	return []sample{
		{name: "engramd_host_load1", value: l.Load1},
		{name: "engramd_host_load5", value: l.Load5},
		{name: "engramd_host_load15", value: l.Load15},
	}, nil
}

// pressure gives PSI where the kernel has it. A kernel without is no fault.
func (h *host) pressure() ([]sample, error) {
	var out []sample
	for _, resource := range []string{"cpu", "memory", "io"} {
		p, err := h.fs.PSIStatsForResource(resource)
		switch {
		case errors.Is(err, fs.ErrNotExist), errors.Is(err, syscall.EOPNOTSUPP), errors.Is(err, syscall.ENOTSUP):
			continue
		case err != nil:
			return out, fmt.Errorf("read the host's %s pressure: %w", resource, err)
		}
		for _, k := range []struct {
			kind string
			line *procfs.PSILine
		}{{"some", p.Some}, {"full", p.Full}} {
			if k.line != nil {
				out = append(out, sample{"engramd_host_pressure_seconds_total", float64(k.line.Total) / 1e6,
					[]string{"resource", resource, "kind", k.kind}})
			}
		}
	}
	return out, nil
}

// disks gives whole disks only, and none of those that are made of memory, files or other disks.
func (h *host) disks() ([]sample, error) {
	stats, err := h.block.ProcDiskstats()
	if err != nil {
		return nil, fmt.Errorf("read the host's disks: %w", err)
	}
	names, err := h.block.SysBlockDevices()
	if err != nil {
		return nil, fmt.Errorf("read the host's disks: %w", err)
	}
	whole := map[string]bool{}
	for _, n := range names {
		whole[n] = !strings.HasPrefix(n, "loop") && !strings.HasPrefix(n, "ram") && !strings.HasPrefix(n, "zram")
	}
	const sector = 512
	var out []sample
	for _, d := range stats {
		if !whole[d.DeviceName] {
			continue
		}
		label := []string{"device", d.DeviceName}
		out = append(out,
			sample{"engramd_host_disk_read_bytes_total", float64(d.ReadSectors) * sector, label},
			sample{"engramd_host_disk_written_bytes_total", float64(d.WriteSectors) * sector, label},
			sample{"engramd_host_disk_reads_total", float64(d.ReadIOs), label},
			sample{"engramd_host_disk_writes_total", float64(d.WriteIOs), label},
			sample{"engramd_host_disk_busy_seconds_total", float64(d.IOsTotalTicks) / 1000, label},
		)
	}
	return out, nil
}

// space gives the room on the data directory's file system.
func (h *host) space() ([]sample, error) {
	var st syscall.Statfs_t
	if err := syscall.Statfs(h.dir, &st); err != nil {
		return nil, fmt.Errorf("read the space of %s: %w", h.dir, err)
	}
	size := float64(st.Bsize)
	return []sample{
		{name: "engramd_host_data_dir_size_bytes", value: float64(st.Blocks) * size},
		{name: "engramd_host_data_dir_free_bytes", value: float64(st.Bavail) * size},
	}, nil
}

// collectHost takes one reading of the host and stores it.
func (t *Telemetry) collectHost(ctx context.Context) {
	began := time.Now()
	samples, err := t.host.read()
	t.collected(ctx, "host", began, err)
	if len(samples) > 0 {
		t.hostWriter.write(ctx, began, samples)
	}
}
