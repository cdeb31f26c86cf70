package metrics

import (
	"os"
	"path/filepath"
	"testing"
	"time"
)

// TestWaiting adds up what threads waited for a core while some end, others begin, and a number is used again.
func TestWaiting(t *testing.T) {
	for name, c := range map[string]struct {
		looks []map[string]string
		want  time.Duration
		none  bool
	}{
		"one thread":          {[]map[string]string{{"1": "100 20 3\n"}, {"1": "200 50 4\n"}}, 50, false},
		"one ends":            {[]map[string]string{{"1": "100 20 3\n", "2": "100 30 3\n"}, {"1": "200 40 4\n"}}, 70, false},
		"one begins":          {[]map[string]string{{"1": "100 20 3\n"}, {"1": "100 20 3\n", "2": "7 5 1\n"}}, 25, false},
		"a number again":      {[]map[string]string{{"1": "100 20 3\n", "2": "9 30 3\n"}, {"1": "100 20 3\n", "2": "1 4 1\n"}}, 54, false},
		"nobody counts":       {[]map[string]string{{"1": "0 0 0\n"}}, 0, true},
		"no file":             {[]map[string]string{{"1": ""}}, 0, true},
		"what makes no sense": {[]map[string]string{{"1": "100 20 3\n", "2": "x", "3": "-1 -1 -1", "4": "1"}}, 20, false},
	} {
		t.Run(name, func(t *testing.T) {
			w := &waiting{}
			var got *time.Duration
			for _, look := range c.looks {
				root := t.TempDir()
				for thread, text := range look {
					dir := filepath.Join(root, "proc/self/task", thread)
					err := os.MkdirAll(dir, 0o755)
					if err == nil && text != "" {
						err = os.WriteFile(filepath.Join(dir, "schedstat"), []byte(text), 0o644)
					}
					if err != nil {
						t.Fatal(err)
					}
				}
				got = w.look(root)
			}
			if (got == nil) != c.none || got != nil && *got != c.want {
				t.Errorf("%v, want %v", got, c.want)
			}
		})
	}
}
