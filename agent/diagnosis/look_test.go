package diagnosis_test

import (
	"context"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/prometheus/promql/parser"
	"go.uber.org/goleak"

	"github.com/engramd/engramd/actuators"
	"github.com/engramd/engramd/actuators/process"
	"github.com/engramd/engramd/agent/diagnosis"
	"github.com/engramd/engramd/policy"
	"github.com/engramd/engramd/policy/diagnose"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// senses answer what a test has them know, and remember what they were asked.
type senses struct {
	use   actuators.Usage
	knows map[string]float64 // by a part of the expression
	hangs string             // a part of the expressions that are never answered

	mu    sync.Mutex
	asked []string
}

func (s *senses) Read(ctx context.Context, expr string, at time.Time) policy.Reading {
	s.mu.Lock()
	s.asked = append(s.asked, expr)
	s.mu.Unlock()
	if s.hangs != "" && strings.Contains(expr, s.hangs) {
		<-ctx.Done()
	}
	for part, v := range s.knows {
		if strings.Contains(expr, part) {
			return policy.Reading{Expr: expr, Value: v, Known: ctx.Err() == nil, At: at}
		}
	}
	return policy.Reading{Expr: expr, Reason: "no sample"}
}

func (s *senses) Used(string, time.Time, time.Time) actuators.Usage { return s.use }

func question() diagnosis.Question {
	now := time.Now()
	return diagnosis.Question{Target: `a"b`, From: now.Add(-5 * time.Minute), To: now, Interval: 15 * time.Second}
}

func value(numbers []diagnose.Number, m diagnose.Measure) (float64, bool) {
	i := slices.IndexFunc(numbers, func(n diagnose.Number) bool { return n.Measure == m })
	if i < 0 {
		return 0, false
	}
	return numbers[i].Value, true
}

// Every expression is PromQL, also with a name that has to be quoted, and is about the target or its host.
func TestExpressionsParse(t *testing.T) {
	s := &senses{use: actuators.Usage{Runtime: &process.Runtime{}}}
	q := question()
	q.Change = q.To.Add(-2 * time.Minute)
	diagnosis.Look(t.Context(), s, q)
	if len(s.asked) < 30 {
		t.Errorf("only %d questions", len(s.asked))
	}
	p := parser.NewParser(parser.Options{})
	for _, expr := range s.asked {
		if _, err := p.ParseExpr(expr); err != nil {
			t.Errorf("%s: %v", expr, err)
		}
		if strings.Contains(expr, "$") || !strings.Contains(expr, `target="a\"b"`) && !strings.Contains(expr, "engramd_host_") {
			t.Errorf("%s is about nobody", expr)
		}
	}
}

// Nobody who knows nothing is accused of anything, and the host's troubles are not those of a target elsewhere.
func TestOfATargetElsewhereTheHostSaysNothing(t *testing.T) {
	s := &senses{knows: map[string]float64{"engramd_host_": 1}}
	r := diagnosis.Look(t.Context(), s, question())
	if r.Summary != "nothing was measured" {
		t.Error(r.Summary)
	}
	for _, expr := range s.asked {
		if strings.Contains(expr, "engramd_host_") {
			t.Errorf("asked %s", expr)
		}
	}
	q := question()
	q.Local = true
	if _, ok := value(diagnosis.Gather(t.Context(), s, q), diagnose.HostIOStall); !ok {
		t.Error("of a target on this host the host is not asked")
	}
}

// A source that does not answer leaves its numbers out, and keeps nobody waiting for long; the others count.
func TestASourceThatHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &senses{hangs: "engram_", knows: map[string]float64{"go_sync_mutex_wait": 9, "engram_": 3}, use: actuators.Usage{RunQueue: new(0.1)}}
		began := time.Now()
		numbers := diagnosis.Gather(t.Context(), s, question())
		if took := time.Since(began); took >= 10*time.Second {
			t.Errorf("it took %s; who acts waits 10s", took)
		}
		if v, ok := value(numbers, diagnose.QueueDepth); ok {
			t.Errorf("what came too late is %v", v)
		}
		if v, _ := value(numbers, diagnose.LockWaiters); v != 9 {
			t.Errorf("what was answered at once is %v", v)
		}
		if v, _ := value(numbers, diagnose.RunQueue); v != 0.1 {
			t.Errorf("the collectors' run queue is %v", v)
		}
	})
}

// The use is that of the target's own threads where these are known: its control group may hold others.
func TestCoresUsed(t *testing.T) {
	group, threads := 7.0, 0.5
	own := map[string]float64{"sum(rate(process_cpu_seconds_total": 1.5}
	for name, tt := range map[string]struct {
		use   actuators.Usage
		knows map[string]float64
		want  float64
	}{
		"its threads":   {actuators.Usage{Cores: &group, ThreadCores: &threads}, own, threads},
		"what it tells": {actuators.Usage{Cores: &group}, own, 1.5},
		"its group":     {actuators.Usage{Cores: &group}, nil, group},
	} {
		if v, ok := value(diagnosis.Gather(t.Context(), &senses{use: tt.use, knows: tt.knows}, question()), diagnose.CoresUsed); !ok || v != tt.want {
			t.Errorf("%s: %v, want %v", name, v, tt.want)
		}
	}
	if v, ok := value(diagnosis.Gather(t.Context(), &senses{}, question()), diagnose.CoresUsed); ok {
		t.Errorf("of nothing: %v", v)
	}
}

// Rates are over the time since the target told something first: over a longer one they would be too small.
func TestOnlyWhatWasToldIsCovered(t *testing.T) {
	for ago, want := range map[float64]string{60: "[1m]", -5: "[5m]", 600: "[5m]", 2: "[45s]"} {
		s := &senses{knows: map[string]float64{"timestamp(up": ago}}
		diagnosis.Look(t.Context(), s, question())
		if !slices.ContainsFunc(s.asked, func(e string) bool {
			return strings.Contains(e, "rate(go_sync_mutex_wait_total_seconds_total") && strings.Contains(e, want)
		}) {
			t.Errorf("told first %v s ago: no rate over %s in %q", ago, want, s.asked)
		}
	}
}
