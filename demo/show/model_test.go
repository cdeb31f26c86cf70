package show

import (
	"strings"
	"testing"
	"unicode/utf8"

	tea "charm.land/bubbletea/v2"
)

// TestResize holds that the next frame after a resize fits, and that nothing is drawn before the size is known.
func TestResize(t *testing.T) {
	var m tea.Model = model{state: State{Where: strings.Repeat("x", 200), Note: strings.Repeat("word ", 100)}}
	if text := m.(model).View().Content; text != "" {
		t.Errorf("drawn without a size: %q", text)
	}
	for _, size := range []tea.WindowSizeMsg{{Width: 80, Height: 24}, {Width: 20, Height: 4}, {Width: 1, Height: 1}, {Width: 300, Height: 100}} {
		m, _ = m.Update(size)
		lines := strings.Split(m.(model).View().Content, "\n")
		if len(lines) > size.Height {
			t.Errorf("%d lines at a height of %d", len(lines), size.Height)
		}
		for _, line := range lines {
			if n := utf8.RuneCountInString(line); n > size.Width {
				t.Errorf("%d characters at a width of %d", n, size.Width)
			}
		}
	}
}
