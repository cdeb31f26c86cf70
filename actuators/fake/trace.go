package fake

import (
	"fmt"
	"strings"
	"sync"

	"github.com/engramd/engramd/actuators"
	"github.com/engramd/engramd/policy"
)

// A Trace writes the events of whole actions as lines that a person reads at a glance:
//
//	12:00:00 do        update cpu 2 -> 4
//
// It is an [actuators.EventSink].
type Trace struct {
	mu    sync.Mutex
	lines strings.Builder
	// Next hears the events, too; it may be nil.
	Next actuators.EventSink
}

// Emit implements [actuators.EventSink].
func (t *Trace) Emit(e policy.Event) {
	t.mu.Lock()
	text := e.Message
	word := wordFor(e)
	switch {
	case word == "done" || word == "kept":
		text = string(e.Outcome) + ": " + text
	case word == "state":
		text = strings.TrimSuffix(string(e.Outcome)+": "+text, ": ")
	}
	if e.Severity == policy.Critical {
		text = "LOUD " + text
	}
	fmt.Fprintf(&t.lines, "%s %-9s %s\n", e.At.UTC().Format("15:04:05"), word, text)
	t.mu.Unlock()
	if t.Next != nil {
		t.Next.Emit(e)
	}
}

// Note writes a line of the test's own: what it did to the world.
func (t *Trace) Note(at, text string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	fmt.Fprintf(&t.lines, "%s %-9s %s\n", at, "world", text)
}

// String returns the trace so far.
func (t *Trace) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.lines.String()
}

// wordFor is the second column.
func wordFor(e policy.Event) string {
	switch e.Type {
	case policy.EventStep:
		return e.Details["op"]
	case policy.EventState:
		if e.Details["refused"] != "" {
			return "refused"
		}
		if actuators.Final(e.Outcome) {
			return "done"
		}
	}
	return string(e.Type)
}
