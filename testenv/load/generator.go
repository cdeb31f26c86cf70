package load

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"sync"
	"time"
)

// A Generator sends one kind of request at a set rate.
type Generator struct {
	config Config
	client *http.Client
	rates  chan float64 // holds at most the newest change
	slots  chan struct{}

	mu      sync.Mutex
	began   time.Time
	samples []Sample
}

// New checks the config. It sends nothing yet.
func New(config Config) (*Generator, error) {
	config.ensureDefaults()
	if err := config.validate(); err != nil {
		return nil, err
	}
	return &Generator{
		config: config,
		client: &http.Client{
			Transport:     config.Transport,
			Timeout:       config.Timeout,
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
		rates: make(chan float64, 1),
		slots: make(chan struct{}, config.MaxOutstanding),
	}, nil
}

// SetRate changes the rate of a run from its next request on; 0 pauses it.
func (g *Generator) SetRate(perSecond float64) error {
	if err := validRate(perSecond); err != nil {
		return err
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	select {
	case <-g.rates: // nobody has seen it yet
	default:
	}
	g.rates <- perSecond
	return nil
}

// Run sends until ctx ends or a bound of the config is met, then waits for the requests under way, which all have a
// deadline. It can run once.
func (g *Generator) Run(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, g.config.MaxDuration)
	defer cancel()
	defer g.client.CloseIdleConnections()
	var underWay sync.WaitGroup
	defer underWay.Wait()

	g.mu.Lock()
	g.began = time.Now()
	g.mu.Unlock()
	s := schedule{next: time.Now(), rate: g.config.Rate}
	for sent := 0; sent < g.config.MaxRequests; {
		timer := time.NewTimer(s.wait(time.Now()))
		select {
		case <-ctx.Done():
			timer.Stop()
			return
		case rate := <-g.rates:
			timer.Stop()
			s.change(time.Now(), rate)
		case <-timer.C:
			for ; sent < g.config.MaxRequests && s.due(time.Now()); sent++ {
				due := s.advance()
				underWay.Go(func() { g.send(context.WithoutCancel(ctx), due) })
			}
		}
	}
}

// send makes one request and remembers it.
func (g *Generator) send(ctx context.Context, due time.Time) {
	sample := Sample{Due: due, Sent: time.Now()}
	select {
	case g.slots <- struct{}{}:
		sample.Kind = g.request(ctx)
		<-g.slots
	default:
		sample.Kind = Saturated
	}
	sample.Done = time.Now()
	g.mu.Lock()
	defer g.mu.Unlock()
	g.samples = append(g.samples, sample)
}

func (g *Generator) request(ctx context.Context) Kind {
	request, err := http.NewRequestWithContext(ctx, g.config.Method, g.config.URL, nil)
	if err != nil {
		return Other
	}
	answer, err := g.client.Do(request)
	if err != nil {
		return kindOf(err)
	}
	defer answer.Body.Close()
	if _, err := io.Copy(io.Discard, io.LimitReader(answer.Body, maxAnswer)); err != nil {
		return kindOf(fmt.Errorf("read the answer: %w", err))
	}
	return kindOfStatus(answer.StatusCode)
}

// maxAnswer bounds what is read of an answer.
const maxAnswer = 1 << 20

// Report returns what is known so far, in the order in which requests were due.
func (g *Generator) Report() Report {
	g.mu.Lock()
	defer g.mu.Unlock()
	return newReport(g.began, time.Now(), g.samples)
}
