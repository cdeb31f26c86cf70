package rules_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/engramd/engramd/rules"
)

func TestLongestRange(t *testing.T) {
	for _, tt := range []struct {
		expr string
		want time.Duration
	}{
		{"up", 0},
		{"1 + 1", 0},
		{"rate(x_total[5m])", 5 * time.Minute},
		{"up offset 10m", 10 * time.Minute},
		{"rate(x_total[5m] offset 1h)", 65 * time.Minute},
		{"rate(x_total[5m]) / rate(y_total[2m])", 5 * time.Minute},
		{"max_over_time(rate(x_total[5m])[1h:1m])", 65 * time.Minute},
		{"max_over_time((rate(x_total[5m] offset 1m) + up)[1h:] offset 1d)", 25*time.Hour + 6*time.Minute},
		{"up offset -10m", 0},
		{"rate(x_total[5m] offset -1m)", 4 * time.Minute},
		{"x @ end()", 0},
		{"predict_linear(x[6h], 86400)", 6 * time.Hour},
		{"sum by (target) (avg_over_time(x[1w]))", 7 * 24 * time.Hour},
	} {
		got, err := rules.LongestRange(tt.expr)
		if err != nil || got != tt.want {
			t.Errorf("%s: got %s, %v, want %s", tt.expr, got, err, tt.want)
		}
	}
}

func TestLongestRangeRefuses(t *testing.T) {
	for expr, want := range map[string]ExprFault{
		"sum(":                               {4, "unclosed left parenthesis"},
		"":                                   {0, "no expression found in input"},
		"1 + x @ 1600000000":                 {4, "@ with a fixed time never gets fresh samples; leave it out, or use offset"},
		"sum_over_time(x[1h:] @ 5)":          {14, "@ with a fixed time never gets fresh samples; leave it out, or use offset"},
		strings.Repeat("(", rules.MaxExpr+1): {-1, "expression of 16385 bytes: at most 16384 are read"},
	} {
		_, err := rules.LongestRange(expr)
		got, ok := errors.AsType[*rules.ExprError](err)
		if !ok || got.Offset != want.Offset || got.Text != want.Text {
			t.Errorf("%.40s: got %v (%+v), want %+v", expr, err, got, want)
		}
	}
}

type ExprFault struct {
	Offset int
	Text   string
}

func TestMetrics(t *testing.T) {
	got, err := rules.Metrics(`rate(a_total{b="c"}[5m]) / on (x) ({d="e"} + f)`)
	if diff := cmp.Diff([]string{"a_total", "", "f"}, got); err != nil || diff != "" {
		t.Error(err, diff)
	}
	if _, err := rules.Metrics("("); err == nil {
		t.Error("no error")
	}
}

func TestLocate(t *testing.T) {
	source := "a: b\nexpr: \"x{y=\\\"z\\\"} > 1\"\nblock: |-\n    sum(x)\n    by (y)\nübung: ä + b\n"
	for _, tt := range []struct {
		name         string
		line, column int
		value        string
		find         string
		wantL, wantC int
	}{
		{"start", 1, 4, "b", "b", 1, 4},
		{"quoted", 2, 7, `x{y="z"} > 1`, ">", 2, 19},
		{"end", 2, 7, `x{y="z"} > 1`, "", 2, 22},
		{"block", 3, 8, "sum(x)\nby (y)", "(y", 5, 8},
		{"wide runes", 6, 8, "ä + b", "b", 6, 12},
		{"another text", 1, 4, "zzz x", "x", 1, 4},
		{"beyond the file", 99, 1, "x", "x", 99, 1},
	} {
		offset := strings.Index(tt.value, tt.find)
		if tt.find == "" {
			offset = len(tt.value)
		}
		if l, c := rules.Locate([]byte(source), tt.line, tt.column, tt.value, offset); l != tt.wantL || c != tt.wantC {
			t.Errorf("%s: got %d:%d, want %d:%d", tt.name, l, c, tt.wantL, tt.wantC)
		}
	}
	if l, c := rules.Locate([]byte(source), 1, 1, "a", -1); l != 1 || c != 1 {
		t.Errorf("got %d:%d", l, c)
	}
}

func TestNearest(t *testing.T) {
	names := []string{"expr", "for", "labels", "annotations"}
	for got, want := range map[string]string{
		"exrp": "expr", "exprs": "expr", "lable": "labels", "annotation": "annotations", "fro": "for",
		"x": "", "target": "", strings.Repeat("e", 1000): "",
	} {
		if n := rules.Nearest(got, names); n != want {
			t.Errorf("%.20s: got %q, want %q", got, n, want)
		}
	}
}

func TestCheckExpr(t *testing.T) {
	if err := rules.CheckExpr("up"); err != nil {
		t.Error(err)
	}
	if err := rules.CheckExpr("up{"); err == nil || err.Error() != "unexpected end of input inside braces" {
		t.Errorf("got %v", err)
	}
}

func TestShortestRange(t *testing.T) {
	for expr, want := range map[string]time.Duration{
		"up": 0, "rate(a_total[5m]) + rate(b_total[1m])": time.Minute, "max_over_time(up[1h:1m])": 0, "max_over_time(rate(a_total[2m])[1h:])": 2 * time.Minute,
	} {
		if got, err := rules.ShortestRange(expr); err != nil || got != want {
			t.Errorf("%s: got %s, %v", expr, got, err)
		}
	}
	if _, err := rules.ShortestRange("("); err == nil {
		t.Error("no error")
	}
}

func TestLosesLabel(t *testing.T) {
	for expr, want := range map[string]bool{
		"up": false, "1": true, "-up": false, "(sum(up))": true, "sum by (target) (up)": false, "sum by (job) (up)": true,
		"sum without (job) (up)": false, "sum without (target) (up)": true, "sum by (target) (sum(up))": true,
		"topk(3, up)": false, "topk(3, sum(up))": true, "rate(a_total[5m])": false, "sum(up) > 1": true, "1 < sum by (target) (up)": false,
		"sum by (target) (a) / sum by (target) (b)": false, "a / on (target) b": false, "a / on (job) b": true, "a > on (job) b": true,
		"a / ignoring (target) b": true, "a / ignoring (job) b": false, "a / on (job) group_left sum(b)": false, "sum(a) / on (job) group_right b": false,
		"sum(a) or b": false, "sum(a) or sum(b)": true, "a and on (job) sum(b)": false, "sum(a) unless b": true, "vector(1)": false,
	} {
		if got, err := rules.LosesLabel(expr, "target"); err != nil || got != want {
			t.Errorf("%s: got %v, %v", expr, got, err)
		}
	}
	if _, err := rules.LosesLabel("(", "target"); err == nil {
		t.Error("no error")
	}
}
