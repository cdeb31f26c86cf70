package policy_test

import (
	"testing"

	"github.com/engramd/engramd/policy"
)

func TestIDs(t *testing.T) {
	for list, want := range map[string]string{
		"": "", "3": "3", "0-3,8": "0-3,8", "8,0-3": "0-3,8", " 1,2 , 3\n": "1-3", "0,0-1": "0-1", "5-5": "5",
	} {
		got, err := policy.ParseIDs(list)
		if err != nil || got.String() != want {
			t.Errorf("%q: %v, %v, want %q", list, got, err, want)
		}
	}
	for _, list := range []string{"3-1", "a", "-1", "1-", ",", "1,,2", "0-4294967296", "70000"} {
		if got, err := policy.ParseIDs(list); err == nil {
			t.Errorf("%q was taken: %v", list, got)
		}
	}
}

func FuzzIDs(f *testing.F) {
	f.Add("0-3,8", "2,9")
	f.Fuzz(func(t *testing.T, a, b string) {
		x, err := policy.ParseIDs(a)
		if err != nil {
			return
		}
		y, err := policy.ParseIDs(b)
		if err != nil {
			return
		}
		if again, err := policy.ParseIDs(x.String()); err != nil || again.String() != x.String() {
			t.Errorf("%v is not read back: %v, %v", x, again, err)
		}
		both, either, rest := x.And(y), x.Or(y), x.Without(y)
		if len(both)+len(either) != len(x)+len(y) || both.Or(rest).String() != x.String() || len(rest.And(y)) > 0 {
			t.Errorf("%v and %v: and %v, or %v, without %v", x, y, both, either, rest)
		}
		if got := x.Quantity().IDs(); got.String() != x.String() {
			t.Errorf("%v is %v as a quantity", x, got)
		}
	})
}
