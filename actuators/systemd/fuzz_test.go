package systemd_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/engramd/engramd/actuators/systemd"
	"github.com/engramd/engramd/policy"
)

func TestAssignments(t *testing.T) {
	tests := []struct {
		text string
		want map[string]string
	}{
		{"", map[string]string{}},
		{"[Service]\nCPUQuota=50%\n", map[string]string{"CPUQuota": "50%"}},
		{"[Service]\n CPUQuota = 50% \nCPUQuota=70%", map[string]string{"CPUQuota": "70%"}},
		{"CPUQuota=50%\nCPUQuota=\n", map[string]string{"CPUQuota": ""}},
		{"#CPUQuota=50%\n; MemoryMax=1\nExecStart=/bin/sh -c 'CPUQuota=1'\n", map[string]string{}},
		{"AllowedCPUs=0 \\\n# a comment between\n  2-3\n", map[string]string{"AllowedCPUs": "0    2-3"}},
		{"ExecStart=/bin/sh \\\nCPUQuota=50%\n", map[string]string{}},
		{"MemoryMax=1G\r\nMemoryHigh=1G\\", map[string]string{"MemoryMax": "1G", "MemoryHigh": "1G"}},
	}
	for _, test := range tests {
		if diff := cmp.Diff(test.want, systemd.Assignments(test.text)); diff != "" {
			t.Errorf("%q (-want +got):\n%s", test.text, diff)
		}
	}
}

// FuzzOwnDropIn wants a line to be found where it was put, and nothing else to change.
func FuzzOwnDropIn(f *testing.F) {
	f.Add("", "CPUQuota", "CPUQuota=50.00%")
	f.Add("[Service]\nMemoryMax=1\n[Unit]\nX=1\n", "CPUQuota", "CPUQuota=50.00%")
	f.Add("[Service]\nCPUQuota=1%\nMemoryMax=1\n", "CPUQuota", "CPUQuota=50.00%")
	f.Fuzz(func(t *testing.T, text, key, line string) {
		if !slices.Contains(systemd.Keys, key) || !strings.HasPrefix(line, key+"=") || strings.ContainsAny(line+text, "\r\\") ||
			strings.Contains(line, "\n") || strings.TrimSpace(line) != line {
			return
		}
		before := systemd.Assignments(text)
		with := systemd.WithLines(text, "a.service", key, &line)
		got := systemd.Assignments(with)
		before[key] = strings.TrimSpace(strings.TrimPrefix(line, key+"="))
		if diff := cmp.Diff(before, got); diff != "" {
			t.Fatalf("put into %q: %q (-want +got):\n%s", text, with, diff)
		}
		if again := systemd.WithLines(with, "a.service", key, &line); again != with {
			t.Errorf("put twice: %q, then %q", with, again)
		}
		delete(before, key)
		if diff := cmp.Diff(before, systemd.Assignments(systemd.WithLines(with, "a.service", key, nil))); diff != "" {
			t.Errorf("taken out (-want +got):\n%s", diff)
		}
	})
}

func FuzzMask(f *testing.F) {
	f.Add([]byte{})
	f.Add([]byte{0b1100})
	f.Add([]byte{0, 0x80, 0})
	f.Fuzz(func(t *testing.T, mask []byte) {
		if len(mask) > 1024 {
			return
		}
		ids := systemd.MaskIDs(mask)
		back := systemd.MaskIDs(systemd.IDsMask(ids))
		if diff := cmp.Diff(ids, back); diff != "" {
			t.Fatalf("%x (-want +got):\n%s", mask, diff)
		}
		parsed, err := policy.ParseIDs(ids.String())
		if err != nil || !slices.Equal(parsed, ids) {
			t.Errorf("%s reads as %v, %v", ids, parsed, err)
		}
	})
}

// FuzzProperty wants whatever D-Bus tells of a setting to be set again as it was, as far as unit files
// can say it.
func FuzzProperty(f *testing.F) {
	f.Add("CPUQuota", uint64(1_500_000))
	f.Add("MemoryMax", uint64(1<<30))
	f.Add("MemoryLow", uint64(0))
	f.Add("MemoryHigh", ^uint64(0))
	f.Fuzz(func(t *testing.T, key string, n uint64) {
		if !slices.Contains(systemd.Keys, key) || strings.HasPrefix(key, "Allowed") {
			return
		}
		text := systemd.TextOf(key, n)
		p, err := systemd.Property(key, text)
		if key == "CPUQuota" && n != ^uint64(0) {
			n -= n % 100
			if n > 1<<40 { // more than a million cores
				return
			}
		}
		if err != nil || p.Value.Value() != n {
			t.Errorf("%s %d is %q, and that is %v, %v", key, n, text, p.Value, err)
		}
	})
}
