package process

import (
	"fmt"
	"strconv"
	"strings"
)

// A Kind is what runs a program.
type Kind string

// The kinds. Unknown is what could not be read.
const (
	Go      Kind = "go"
	JVM     Kind = "jvm"
	Other   Kind = "other"
	Unknown Kind = "unknown"
)

// A Runtime is what was found in a process.
type Runtime struct {
	Kind Kind `json:"kind"`
	// Version is Go's, such as "go1.26.1"; "" for others.
	Version string `json:"version,omitempty"`
	// PID is the process that it was found in: the one asked for, or the only child of an init or a
	// shell. Started is when that began, in the kernel's ticks since boot, and Program its file.
	PID     int    `json:"pid,omitempty"`
	Started uint64 `json:"started,omitempty"`
	Program string `json:"program,omitempty"`
	// Threads is how many threads the process had.
	Threads int `json:"threads,omitempty"`
	// CPU and Memory say why it does not follow a change of that limit while it runs; zero if it does,
	// or nothing is known.
	CPU    Fixed `json:"cpu,omitzero"`
	Memory Fixed `json:"memory,omitzero"`
	// Heap is the size of a heap that is fixed on the command line or in the environment, in bytes; nil
	// if none is. HeapFrom is the option that says so.
	Heap     *int64 `json:"heap,omitempty"`
	HeapFrom string `json:"heap_from,omitempty"`
	// Why says what could not be read, of Unknown or beside what is known.
	Why string `json:"why,omitempty"`
}

// Fixed says why a process does not follow a change.
type Fixed struct {
	Why string `json:"why,omitempty"` // a clause, without a full stop
	// Restart says that it would after a restart.
	Restart bool `json:"restart,omitempty"`
}

// Remedy is what to do about it, as a sentence, for a resource of the target; "" if there is nothing to do.
func (f Fixed) Remedy(resource string) string {
	switch {
	case f.Why == "":
		return ""
	case f.Restart:
		return fmt.Sprintf("%s: restart it, or apply: {%s: restart}", f.Why, resource)
	}
	return f.Why + ": change that first"
}

// String names the runtime as people do.
func (r Runtime) String() string {
	text := string(r.Kind)
	switch {
	case r.Kind == Go && r.Version != "":
		text = r.Version
	case r.Kind == Unknown && r.Why != "":
		text += " (" + r.Why + ")"
	}
	return text
}

// Describe is the runtime with what it does not follow, in one line.
func (r Runtime) Describe() string {
	name := r.String()
	if r.PID != 0 {
		name += ", pid " + strconv.Itoa(r.PID)
	}
	said := []string{name}
	for _, f := range []Fixed{r.CPU, r.Memory} {
		if f.Why != "" {
			said = append(said, f.Why)
		}
	}
	return strings.Join(said, "; ")
}
