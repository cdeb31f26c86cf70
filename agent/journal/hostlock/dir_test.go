package hostlock

import (
	"os"
	"path/filepath"
	"testing"
)

// The rule is tested with parents of the test's own; which parents there are is not exported.
func TestTheRuleDependsOnTheHostOnly(t *testing.T) {
	const shared, private = os.FileMode(0o777) | os.ModeSticky, os.FileMode(0o755)
	tests := map[string]struct {
		modes []os.FileMode // of the parents; 0 is missing
		made  os.FileMode   // of engramd below the first one
		want  string
	}{
		"debian":                         {[]os.FileMode{shared, shared, shared}, 0, "0/engramd"},
		"fedora":                         {[]os.FileMode{private, shared, shared}, 0, "1/engramd"},
		"fedora, root was there first":   {[]os.FileMode{private, shared, shared}, private, "1/engramd"},
		"fedora, made by a package":      {[]os.FileMode{private, shared, shared}, shared, "0/engramd"},
		"no /run/lock":                   {[]os.FileMode{0, shared, shared}, 0, "1/engramd"},
		"only /tmp":                      {[]os.FileMode{0, 0, shared}, 0, "2/engramd"},
		"writable, but not sticky":       {[]os.FileMode{0o777, shared, shared}, 0, "1/engramd"},
		"nowhere":                        {[]os.FileMode{private, 0, private}, 0, ""},
		"debian, a user was there first": {[]os.FileMode{shared, shared, shared}, 0o700, "0/engramd"},
	}
	for host, test := range tests {
		t.Run(host, func(t *testing.T) {
			base := t.TempDir()
			var dirs []string
			for i, mode := range test.modes {
				dir := filepath.Join(base, string(rune('0'+i)))
				dirs = append(dirs, dir)
				mkdir(t, dir, mode)
			}
			mkdir(t, filepath.Join(dirs[0], name), test.made)
			got, err := find(dirs)
			if (err != nil) != (test.want == "") {
				t.Fatalf("got %s, %v", got, err)
			}
			if want := filepath.Join(base, test.want); test.want != "" && string(got) != want {
				t.Errorf("got %s, want %s", got, want)
			}
		})
	}
}

func mkdir(t *testing.T, dir string, mode os.FileMode) {
	t.Helper()
	if mode == 0 {
		return
	}
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(dir, mode); err != nil {
		t.Fatal(err)
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(`{"id":"a","target":"engram","from":2000,"to":"unlimited","first":null}`))
	f.Add([]byte(`{}`))
	f.Add([]byte(``))
	f.Add([]byte(`{"id":"a","target":"t","procedure":{"smoke":[{"command":["rm"]}]}}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		a, err := parse(text)
		if err == nil && (a.ID == "" || a.TargetName == "") {
			t.Errorf("took %q", text)
		}
	})
}
