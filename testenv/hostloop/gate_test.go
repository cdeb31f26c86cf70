package hostloop

import "testing"

func TestUnitsInPaths(t *testing.T) {
	for path, want := range map[string]string{
		"not_2dtold_2eservice": "not-told.service",
		"_31st_2eservice":      "1st.service",
		"plain":                "plain",
		"odd_":                 "odd_",
		"odd_zz":               "odd_zz",
	} {
		if got := unescape(path); got != want {
			t.Errorf("%s is %s, want %s", path, got, want)
		}
	}
}
