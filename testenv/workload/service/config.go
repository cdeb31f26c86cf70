package service

import (
	"errors"
	"fmt"
	"runtime"
	"strconv"
	"time"
)

// Config is how one workload behaves. The zero value of a field takes its default.
type Config struct {
	Listen    string        // host:port; 127.0.0.1:8080
	Workers   int           // requests that burn at the same time; 8
	Queue     int           // requests that may wait for a worker; 4096, more get 429
	Window    time.Duration // over which P99 and the error ratio are taken; 10 s
	Procs     int           // GOMAXPROCS; 0 is the host's CPUs, ProcsAuto leaves it to Go's runtime
	Memory    int64         // bytes to hold in the hot tier from the start
	StopDelay time.Duration // wait this long after SIGTERM before stopping
	Data      string        // a directory that belongs to one workload at a time (see claim)
	Unhealthy Condition     // when /health fails
	Crash     Condition     // when the process exits with status 3
}

// ProcsAuto lets Go's runtime follow the cgroup's CPU limit by itself (Go 1.25 and later).
const ProcsAuto = -1

func (c *Config) ensureDefaults() {
	if c.Listen == "" {
		c.Listen = "127.0.0.1:8080"
	}
	if c.Workers == 0 {
		c.Workers = 8
	}
	if c.Queue == 0 {
		c.Queue = 4096
	}
	if c.Window == 0 {
		c.Window = 10 * time.Second
	}
	if c.Procs == 0 {
		c.Procs = runtime.NumCPU()
	}
}

// FromEnv reads a Config from WORKLOAD_* variables and reports all faults at once.
//
// WORKLOAD_PROCS is host (default), auto or a number. Sizes take Ki, Mi, Gi.
func FromEnv(getenv func(string) string) (Config, error) {
	c := Config{Listen: getenv("WORKLOAD_LISTEN"), Data: getenv("WORKLOAD_DATA")}
	var faults []error
	read := func(name string, parse func(string) error) {
		if value := getenv(name); value != "" {
			if err := parse(value); err != nil {
				faults = append(faults, fmt.Errorf("%s=%q: %w", name, value, err))
			}
		}
	}
	read("WORKLOAD_WORKERS", into(&c.Workers, strconv.Atoi))
	read("WORKLOAD_QUEUE", into(&c.Queue, strconv.Atoi))
	read("WORKLOAD_WINDOW", into(&c.Window, time.ParseDuration))
	read("WORKLOAD_PROCS", into(&c.Procs, parseProcs))
	read("WORKLOAD_MEMORY", into(&c.Memory, ParseBytes))
	read("WORKLOAD_STOP_DELAY", into(&c.StopDelay, time.ParseDuration))
	read("WORKLOAD_UNHEALTHY", into(&c.Unhealthy, ParseCondition))
	read("WORKLOAD_CRASH", into(&c.Crash, ParseCondition))
	return c, errors.Join(faults...)
}

// into adapts a parser to one that stores what it parsed.
func into[T any](to *T, parse func(string) (T, error)) func(string) error {
	return func(text string) error {
		value, err := parse(text)
		if err == nil {
			*to = value
		}
		return err
	}
}

func parseProcs(text string) (int, error) {
	switch text {
	case "host":
		return 0, nil
	case "auto":
		return ProcsAuto, nil
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 {
		return 0, errors.New("want host, auto or a number above 0")
	}
	return n, nil
}
