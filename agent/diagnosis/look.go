package diagnosis

import (
	"context"
	"sync"
	"time"

	"github.com/engramd/engramd/actuators"
	"github.com/engramd/engramd/policy"
	"github.com/engramd/engramd/policy/diagnose"
)

// Bounds of one diagnosis. The whole has to end before whoever acts stops waiting for it.
const (
	patience = 8 * time.Second
	askers   = 4
	// lingering is how long a question keeps its place: after that it waits for a server, and must not keep
	// others from theirs.
	lingering = 250 * time.Millisecond
)

// Senses are what is asked.
type Senses interface {
	// Read evaluates an expression at the instant at.
	Read(ctx context.Context, expr string, at time.Time) policy.Reading
	// Used reports what a target used over (from, to].
	Used(target string, from, to time.Time) actuators.Usage
}

// A Question is what is to be looked at.
type Question struct {
	Target   string
	From, To time.Time
	// Interval is how often is measured: rates are taken over three of it at least.
	Interval time.Duration
	// Local says that the target is known to be on this host; it is found out where it has a process here.
	Local bool
	// Change is when the target was last changed, zero if that is not known: what work costs now is held
	// against what it cost before.
	Change time.Time
}

// Look gathers what is known and judges it.
func Look(ctx context.Context, s Senses, q Question) diagnose.Report {
	return diagnose.Diagnose(Gather(ctx, s, q))
}

// Gather returns the numbers that are known.
func Gather(ctx context.Context, s Senses, q Question) []diagnose.Number {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	use := s.Used(q.Target, q.From, q.To)
	q = q.covered(ctx, s)
	q.Local = q.Local || use.Runtime != nil || use.RunQueue != nil
	exprs := questions(q)
	if use.RunQueue != nil {
		delete(exprs, diagnose.RunQueue) // that is nearer than what a node tells of itself
	}
	answers := ask(ctx, s, q, exprs)
	numbers := answers.numbers()
	numbers = append(numbers, ofUsage(use)...)
	if cores, ok := coresUsed(use, answers); ok {
		numbers = append(numbers, diagnose.Number{Measure: diagnose.CoresUsed, Value: cores})
	}
	return numbers
}

// covered is the question without the time before the target told anything: over that a rate would be made too
// small.
func (q Question) covered(ctx context.Context, s Senses) Question {
	r := s.Read(ctx, fill(firstTold, q), q.To)
	if !r.Known || r.Value < 0 {
		return q
	}
	if first := q.To.Add(-time.Duration(min(r.Value, 1e9) * float64(time.Second))); first.After(q.From) {
		q.From = first
	}
	return q
}

// answers are what the expressions had for a value.
type answers map[diagnose.Measure]float64

// ask evaluates expressions, a few at once. What is unknown or comes too late is left out.
func ask(ctx context.Context, s Senses, q Question, exprs map[diagnose.Measure]string) answers {
	var (
		mu   sync.Mutex
		wg   sync.WaitGroup
		free = make(chan struct{}, askers)
		out  = answers{}
	)
	for m, expr := range exprs {
		wg.Go(func() {
			select {
			case free <- struct{}{}:
			case <-ctx.Done():
				return
			}
			leave := sync.OnceFunc(func() { <-free })
			defer leave()
			defer time.AfterFunc(lingering, leave).Stop()
			r := s.Read(ctx, expr, q.To)
			if !r.Known {
				return
			}
			mu.Lock()
			defer mu.Unlock()
			out[m] = r.Value
		})
	}
	wg.Wait()
	return out
}

func (a answers) numbers() []diagnose.Number {
	var all []diagnose.Number
	for m, v := range a {
		if m != ofProcess {
			all = append(all, diagnose.Number{Measure: m, Value: v})
		}
	}
	return all
}
