package pressure_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/engramd/engramd/node/pressure"
	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var errBlind = errors.New("blind")

// A script is what a gauge reads, in order: a per cent of the limit, negative: an error as well; 0: nothing but an error.
type script []int64

func (s *script) read() (pressure.Reading, error) {
	n := (*s)[0]
	*s = (*s)[1:]
	var err error
	if n <= 0 {
		n, err = -n, errBlind
	}
	if n == 0 {
		return pressure.Reading{}, err
	}
	return pressure.Reading{Bounds: []pressure.Bound{{Name: "x", UsedBytes: n, LimitBytes: 100}}}, err
}

func TestLevels(t *testing.T) {
	for _, c := range []struct {
		name       string
		thresholds pressure.Thresholds
		script     script
		want       string
	}{
		{"rises at once, falls below the slack", pressure.Thresholds{}, script{79, 80, 79, 75, 74, 80}, "chhhch"},
		{"critical", pressure.Thresholds{}, script{90, 89, 85, 84, 75, 74, 95, 74}, "CCChhcCc"},
		{"unknown is never little", pressure.Thresholds{}, script{0, 10, 0, -10, 10, -80, -91}, "?c??chC"},
		{"other thresholds", pressure.Thresholds{High: 0.5, Critical: 0.6}, script{49, 50, 60, 55, 54, 44}, "chCChc"},
	} {
		t.Run(c.name, func(t *testing.T) {
			g := pressure.New(pressure.Options{Read: c.script.read, Thresholds: c.thresholds})
			if l := g.State().Level; l != pressure.Unknown {
				t.Errorf("before the first sample: %v", l)
			}
			letters := map[pressure.Level]string{pressure.Unknown: "?", pressure.Calm: "c", pressure.High: "h", pressure.Critical: "C"}
			var got strings.Builder
			for range len(c.want) {
				s := g.Sample()
				if s.Level != g.State().Level {
					t.Error("Sample and State differ")
				}
				got.WriteString(letters[s.Level])
			}
			if got.String() != c.want {
				t.Errorf("levels %s, want %s", got.String(), c.want)
			}
		})
	}
}

func TestThresholdsChange(t *testing.T) {
	s := script{70, 70, 70}
	g := pressure.New(pressure.Options{Read: s.read})
	var got []pressure.Level
	for _, th := range []pressure.Thresholds{pressure.DefaultThresholds, {High: 0.7, Critical: 0.9}, {High: 0.9, Critical: 0.8}} {
		g.SetThresholds(th)
		got = append(got, g.Sample().Level)
	}
	if diff := cmp.Diff([]pressure.Level{pressure.Calm, pressure.High, pressure.High}, got); diff != "" {
		t.Error(diff)
	}
}

func TestSubscribe(t *testing.T) {
	s := script{10, 85, 95, 20}
	g := pressure.New(pressure.Options{Read: s.read})
	states, cancel := g.Subscribe()
	idle, _ := g.Subscribe() // one who never reads holds nobody up
	g.Sample()
	if l := (<-states).Level; l != pressure.Calm {
		t.Errorf("first: %v", l)
	}
	g.Sample()
	g.Sample()
	if st := <-states; st.Level != pressure.Critical || st.Ratio != 0.95 {
		t.Errorf("of two samples the newest counts: %+v", st)
	}
	cancel()
	g.Sample()
	select {
	case st := <-states:
		t.Errorf("after the end: %+v", st)
	default:
	}
	if l := (<-idle).Level; l != pressure.Calm {
		t.Errorf("the idle one finds %v", l)
	}
}

func TestRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := int64(0)
		g := pressure.New(pressure.Options{Every: time.Second, Read: func() (pressure.Reading, error) {
			n++
			return pressure.Reading{Bounds: []pressure.Bound{{Name: "x", UsedBytes: n, LimitBytes: 100}}}, nil
		}})
		states, cancel := g.Subscribe()
		defer cancel()
		ctx, stop := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- g.Run(ctx) }()
		start := time.Now()
		for i := range 3 {
			st := <-states
			if took := time.Since(start); took != time.Duration(i)*time.Second || st.Reading.Bounds[0].UsedBytes != int64(i+1) {
				t.Errorf("sample %d after %v: %+v", i, took, st)
			}
		}
		stop()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}
