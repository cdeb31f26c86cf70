package node

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// Web imports memories, a prime number of them, that are linked so that a spread over ten hops reaches them all. Of 40,009 it takes some
// milliseconds of one core.
func (n *Node) Web(t testing.TB, memories int) {
	t.Helper()
	const degree = 16
	var lines bytes.Buffer
	for i := range memories {
		fmt.Fprintf(&lines, `{"id":"m%d","content":"memory %d"}`+"\n", i, i)
	}
	for i := range memories {
		for k := range degree {
			if to := (i*(k+2) + k*101 + 1) % memories; to != i {
				fmt.Fprintf(&lines, `{"from":"m%d","to":"m%d","weight":0.9}`+"\n", i, to)
			}
		}
	}
	if got := n.Import(t, &lines); !got.Done || got.Failed > 0 {
		t.Fatalf("testenv/node: imported %+v (%+v)", got, got.Problem)
	}
}

// waitingAtMost is how many spreads clients let wait: with more under way they hold back.
const waitingAtMost = 250

// Spreads is a load of spreads that come whether those before have been answered or not.
type Spreads struct {
	Asked, Answered, HeldBack, Failed atomic.Int64

	node   *Node
	client *http.Client
	rate   func() float64
	stop   context.CancelFunc
	ends   sync.WaitGroup
}

// Spread begins a load of so many spreads a second, which is asked again and again. It ends with the test at the latest.
func (n *Node) Spread(t testing.TB, rate func() float64) *Spreads {
	t.Helper()
	ctx, stop := context.WithCancel(context.WithoutCancel(t.Context()))
	s := &Spreads{node: n, rate: rate, stop: stop, client: &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: waitingAtMost}}}
	s.ends.Go(func() { s.run(ctx) })
	t.Cleanup(s.Stop)
	return s
}

// Stop ends the load, and waits for what is under way.
func (s *Spreads) Stop() {
	s.stop()
	s.ends.Wait()
	s.client.CloseIdleConnections()
}

func (s *Spreads) run(ctx context.Context) {
	const step = 5 * time.Millisecond
	tick := time.NewTicker(step)
	defer tick.Stop()
	last, due := time.Now(), 0.0
	for {
		select {
		case <-ctx.Done():
			return
		case now := <-tick.C:
			due += s.rate() * now.Sub(last).Seconds()
			last = now
		}
		for ; due >= 1; due-- {
			if s.Asked.Load()-s.Answered.Load()-s.Failed.Load() >= waitingAtMost {
				s.HeldBack.Add(1)
				continue
			}
			number := s.Asked.Add(1)
			s.ends.Go(func() { s.one(ctx, number) })
		}
	}
}

func (s *Spreads) one(ctx context.Context, number int64) {
	body := fmt.Sprintf(`{"seeds":["m%d"],"hops":10,"fan_out":16,"threshold":0,"decay":1,"limit":1}`, number%1000)
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, s.node.URL+"/api/v1/spread", strings.NewReader(body))
	if err != nil {
		s.Failed.Add(1)
		return
	}
	request.Header.Set("Content-Type", "application/json")
	answer, err := s.client.Do(request)
	if err != nil {
		s.Failed.Add(1)
		return
	}
	_, _ = io.Copy(io.Discard, answer.Body)
	answer.Body.Close()
	if answer.StatusCode == http.StatusOK {
		s.Answered.Add(1)
	} else {
		s.Failed.Add(1)
	}
}

// Workload is a rate of spreads that is always work for so many workers, however fast the machine is just now: it follows what a
// worker takes for a spread.
func (n *Node) Workload(t testing.TB, workers float64) (rate func() float64) {
	t.Helper()
	var perSecond atomic.Int64 // thousandths
	perSecond.Store(int64(workers * 1000 / 0.01))
	ctx, stop := context.WithCancel(context.WithoutCancel(t.Context()))
	var ends sync.WaitGroup
	ends.Go(func() {
		tick := time.NewTicker(100 * time.Millisecond)
		defer tick.Stop()
		var busy, jobs, before float64
		for {
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
			}
			now, err := n.pool()
			if err != nil {
				continue // it may be busy, or end
			}
			if before > 0 {
				busy, jobs = 0.97*busy+float64(now.Busy), 0.97*jobs+now.Done-before
			}
			before = now.Done
			if jobs > 20 && busy > 0 {
				perSecond.Store(int64(1000 * workers * jobs / (busy * 0.1)))
			}
		}
	})
	t.Cleanup(func() {
		stop()
		ends.Wait()
	})
	return func() float64 { return float64(perSecond.Load()) / 1000 }
}

// A Pool is what the node tells of its workers.
type Pool struct {
	Workers, Busy int
	QueueDepth    int     `json:"queue_depth"`
	Done          float64 `json:"done_total"`
}

// Spreading is what the node tells of its spread workers.
func (n *Node) Spreading(t testing.TB) Pool {
	t.Helper()
	p, err := n.pool()
	if err != nil {
		t.Fatalf("testenv/node: %v", err)
	}
	return p
}

func (n *Node) pool() (Pool, error) {
	resp, err := client.Get(n.URL + "/api/v1/admin/threading")
	if err != nil {
		return Pool{}, err
	}
	defer resp.Body.Close()
	var answer struct{ Spreading Pool }
	err = json.NewDecoder(resp.Body).Decode(&answer)
	return answer.Spreading, err
}
