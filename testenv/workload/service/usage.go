package service

import (
	"context"
	"os"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/engramd/engramd/testenv/cgroupfs"
)

const (
	usageEvery = 250 * time.Millisecond
	usageSpan  = 2 * time.Second // utilisation is the mean over this
)

// A usage measures the process's CPU use against the limit that the kernel enforces on it.
type usage struct {
	mu      sync.Mutex
	samples []usageSample
}

type usageSample struct {
	at  time.Time
	cpu time.Duration
}

// run samples until ctx ends.
func (u *usage) run(ctx context.Context) {
	ticker := time.NewTicker(usageEvery)
	defer ticker.Stop()
	for {
		u.add(usageSample{time.Now(), processTime()})
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
	}
}

func (u *usage) add(s usageSample) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.samples = append(u.samples, s)
	for s.at.Sub(u.samples[0].at) > usageSpan {
		u.samples = u.samples[1:]
	}
}

// cores is the mean number of cores in use; ok is false before there are two samples.
func (u *usage) cores() (cores float64, ok bool) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if len(u.samples) < 2 {
		return 0, false
	}
	first, last := u.samples[0], u.samples[len(u.samples)-1]
	return float64(last.cpu-first.cpu) / float64(last.at.Sub(first.at)), true
}

// effectiveCores is the CPU limit in cores: the cgroup's, else the host's CPUs.
func effectiveCores() float64 {
	host := float64(runtime.NumCPU())
	group, err := cgroupfs.OfProcess("self")
	if err != nil {
		return host
	}
	cores, limited, err := group.CPULimit()
	if err != nil || !limited {
		return host
	}
	return min(cores, host)
}

// effectiveMemory is the memory limit in bytes: the cgroup's, else the host's memory. Zero means that neither is known.
func effectiveMemory() int64 {
	if group, err := cgroupfs.OfProcess("self"); err == nil {
		if bytes, limited, err := group.MemoryLimit(); err == nil && limited {
			return bytes
		}
	}
	return procKiB("/proc/meminfo", "MemTotal:")
}

// residentBytes is the process's resident memory.
func residentBytes() int64 { return procKiB("/proc/self/status", "VmRSS:") }

// procKiB reads a line "key   123 kB" of a file in /proc, in bytes.
func procKiB(file, key string) int64 {
	content, err := os.ReadFile(file)
	if err != nil {
		return 0
	}
	for line := range strings.Lines(string(content)) {
		if rest, ok := strings.CutPrefix(line, key); ok {
			n, err := strconv.ParseInt(strings.TrimSuffix(strings.TrimSpace(rest), " kB"), 10, 64)
			if err != nil {
				return 0
			}
			return n << 10
		}
	}
	return 0
}
