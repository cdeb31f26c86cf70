package docker_test

import (
	"encoding/json"
	"errors"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/engramd/engramd/actuators"
	"github.com/engramd/engramd/policy"
)

// TestShrink lowers a limit of 256 MiB to 128 MiB under processes that use memory in different ways.
func TestShrink(t *testing.T) {
	const mib = int64(1 << 20)
	tests := []struct {
		name  string
		v2    bool
		use   func(limit int64) (usage, pages int64)
		calls []string // the limits that are set, in MiB
		say   string   // of the refusal
	}{
		{"fits", true, func(int64) (int64, int64) { return 50 * mib, 0 }, []string{"128"}, ""},
		{"page cache goes step by step", true, func(limit int64) (int64, int64) {
			usage := min(250*mib, limit)
			return usage, usage - 40*mib
		}, []string{"189", "158", "143", "135", "131", "129", "128"}, ""},
		{"cache goes as soon as it is pressed", true, func(limit int64) (int64, int64) {
			if limit < 200*mib {
				return 60 * mib, 20 * mib
			}
			return 250 * mib, 210 * mib
		}, []string{"189", "128"}, ""},
		{"cannot be given up", true, func(int64) (int64, int64) { return 200 * mib, 60 * mib }, nil, "uses 140Mi"},
		{"a tenth to spare", true, func(int64) (int64, int64) { return 120 * mib, 0 }, nil, "uses 120Mi"},
		{"grows meanwhile: the old limit comes back", true, func(limit int64) (int64, int64) {
			if limit < 256*mib {
				return 170 * mib, 10 * mib
			}
			return 250 * mib, 200 * mib
		}, []string{"189", "176", "256"}, "uses 160Mi"},
		{"v1 refuses by itself", false, func(int64) (int64, int64) { return 250 * mib, 200 * mib }, []string{"128"}, ""},
		{"v1, cannot be given up", false, func(int64) (int64, int64) { return 200 * mib, 60 * mib }, nil, "uses 140Mi"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			f := newFakeAPI(t)
			f.v2, f.use = test.v2, test.use
			f.add("engram", limited)
			target := targetAt(f.host(), "engram")
			driver := newDriver(t)
			st, err := driver.Observe(t.Context(), target)
			if err != nil {
				t.Fatal(err)
			}
			p, err := driver.Plan(target, st, size(policy.Memory, 128*mib))
			if err != nil {
				t.Fatal(err)
			}
			err = driver.Do(t.Context(), target, p.Steps[0])
			if test.say == "" && err != nil || test.say != "" && (!errors.Is(err, actuators.ErrRefused) || !strings.Contains(err.Error(), test.say)) {
				t.Errorf("got %v, want a refusal that says %q", err, test.say)
			}
			if diff := cmp.Diff(test.calls, limits(t, f.changed())); diff != "" {
				t.Errorf("limits set (-want +got):\n%s", diff)
			}
		})
	}
}

// limits are the memory limits among the changes, in MiB.
func limits(t *testing.T, changes []string) []string {
	t.Helper()
	var all []string
	for _, change := range changes {
		_, body, ok := strings.Cut(change, "{")
		if !ok {
			continue
		}
		var u struct{ Memory, MemorySwap int64 }
		if err := json.Unmarshal([]byte("{"+body), &u); err != nil {
			t.Fatal(err)
		}
		if u.MemorySwap-u.Memory != 256<<20 {
			t.Errorf("%s: swap is %d, want 256 MiB all the way", change, u.MemorySwap-u.Memory)
		}
		all = append(all, strconv.FormatInt(u.Memory>>20, 10))
	}
	return all
}
