package threads_test

import (
	"slices"
	"testing"

	"github.com/engramd/engramd/node/threads"
)

func TestParseCPUs(t *testing.T) {
	for in, want := range map[string]threads.CPUs{
		"": {}, "0\n": {0}, "0-3,8": {0, 1, 2, 3, 8}, "8,0-1": {0, 1, 8}, "1,1-2": {1, 2},
	} {
		if got, err := threads.ParseCPUs(in); err != nil || !slices.Equal(got, want) {
			t.Errorf("%q: %v, %v", in, got, err)
		}
	}
	for _, in := range []string{"a", "1-", "-1", "3-1", "1,,2", "0-99999999", "0 1"} {
		if got, err := threads.ParseCPUs(in); err == nil {
			t.Errorf("%q is %v", in, got)
		}
	}
}

func FuzzParseCPUs(f *testing.F) {
	f.Add("0-3,8")
	f.Fuzz(func(t *testing.T, in string) {
		set, err := threads.ParseCPUs(in)
		if err != nil {
			return
		}
		again, err := threads.ParseCPUs(set.String())
		if err != nil || !slices.Equal(again, set) {
			t.Errorf("%q is %v, and %v again: %v", in, set, again, err)
		}
	})
}
