package host

import (
	"strings"
	"testing"
)

func TestStoriesAreTreesWhateverTheNames(t *testing.T) {
	var roots []*story
	for _, e := range []event{
		{Action: "run", Test: "TestA"},
		{Action: "output", Test: "TestA", Output: "=== RUN   TestA\n"},
		{Action: "run", Test: "TestA/one/two"}, // a name with a slash
		{Action: "output", Test: "TestA/one/two", Output: "    a_test.go:7: said\n"},
		{Action: "run", Test: "TestA/one/two/three"},
		{Action: "run", Test: "TestB"}, // beside, in parallel
		{Action: "skip", Test: "TestA/one/two/three"},
		{Action: "fail", Test: "TestA/one/two"},
		{Action: "fail", Test: "TestA"},
	} {
		roots = tell(roots, "", e)
	}
	var lines []string
	for _, s := range roots {
		lines = append(lines, s.lines("")...)
	}
	want := "TestA fail\n one/two fail a_test.go:7: said\n  three skip\nTestB"
	if got := strings.Join(lines, "\n"); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

func (s *story) lines(indent string) []string {
	all := []string{strings.TrimRight(indent+s.name+" "+s.action+" "+strings.TrimSpace(s.said.String()), " ")}
	for _, part := range s.parts {
		all = append(all, part.lines(indent+" ")...)
	}
	return all
}
