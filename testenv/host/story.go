package host

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
)

// An event is one line of what test2json makes of a test's output.
type event struct {
	Action string // run, output, pass, fail, skip
	Test   string // with its parents, joined by slashes; "" is the package
	Output string
}

// A story is what became of one test inside.
type story struct {
	path, name string
	action     string // its last: pass, fail or skip; "" if it never ended
	said       strings.Builder
	parts      []*story
}

// show replays each test of the outermost level, with all below it, when it has ended. It returns how many there were.
func show(t *testing.T, events io.Reader) (found int, err error) {
	var roots []*story
	for decoder := json.NewDecoder(events); ; {
		var e event
		err := decoder.Decode(&e)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return found, fmt.Errorf("read the tests' events: %w", err)
		}
		if e.Test == "" {
			continue
		}
		roots = tell(roots, "", e)
		if i := slices.IndexFunc(roots, func(s *story) bool { return s.action != "" }); i >= 0 {
			t.Run(roots[i].name, roots[i].replay)
			roots = slices.Delete(roots, i, i+1)
			found++
		}
	}
	for _, s := range roots { // cut off
		t.Run(s.name, s.replay)
		found++
	}
	return found, nil
}

// tell adds an event to the story that it belongs to. A test is below the one whose name its own begins with.
func tell(stories []*story, above string, e event) []*story {
	for _, s := range stories {
		if s.path == e.Test {
			s.add(e)
			return stories
		}
		if strings.HasPrefix(e.Test, s.path+"/") {
			s.parts = tell(s.parts, s.path+"/", e)
			return stories
		}
	}
	s := &story{path: e.Test, name: strings.TrimPrefix(e.Test, above)}
	s.add(e)
	return append(stories, s)
}

func (s *story) add(e event) {
	switch e.Action {
	case "pass", "fail", "skip":
		s.action = e.Action
	case "output":
		if line := strings.TrimSpace(e.Output); !strings.HasPrefix(line, "=== ") && !strings.HasPrefix(line, "--- ") {
			s.said.WriteString(e.Output)
		}
	}
}

// replay is the test as it went inside.
func (s *story) replay(t *testing.T) {
	for _, part := range s.parts {
		t.Run(part.name, part.replay)
	}
	if said := strings.TrimRight(s.said.String(), "\n"); said != "" {
		t.Log("\n" + said)
	}
	switch s.action {
	case "pass":
	case "skip":
		t.SkipNow()
	case "fail":
		t.Fail()
	default:
		t.Error("the test did not end: see what it said, and the machine's console")
	}
}
