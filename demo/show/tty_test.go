package show_test

import (
	"os"
	"testing"

	"github.com/engramd/engramd/demo/show"
	"github.com/engramd/engramd/testenv"
)

// TestLive holds that a live view is drawn only where one can be seen.
func TestLive(t *testing.T) {
	_, tty := testenv.PTY(t, 80, 24)
	_, unsized := testenv.PTY(t, 0, 0)
	file, err := os.CreateTemp(t.TempDir(), "")
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	for name, c := range map[string]struct {
		in, out *os.File
		term    string
		want    bool
	}{
		"a terminal":                        {tty, tty, "xterm", true},
		"one that cannot move its cursor":   {tty, tty, "dumb", false},
		"one of which nothing is known":     {tty, tty, "", false},
		"a pipe or a file to read":          {file, tty, "xterm", false},
		"a pipe or a file to write":         {tty, file, "xterm", false},
		"one that nobody has told its size": {unsized, unsized, "xterm", false},
	} {
		if got := show.Live(c.in, c.out, c.term); got != c.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}
