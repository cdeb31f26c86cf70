package node_test

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"os"
	"strconv"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/engramd/engramd/node/load"
	"github.com/engramd/engramd/testenv"
	"github.com/engramd/engramd/testenv/loop"
	"github.com/engramd/engramd/testenv/node"
)

// The agent looks every 5 s, as make run has it. So each slice of a node's time has a look in it.
const (
	besideEvery  = 5 * time.Second
	besideAtMost = 2 // per cent of the throughput
)

// BenchmarkAgentBeside compares what an engramd that looks after its own node does for 8 clients with what the same node does alone. Both
// processes are there all the time, and take turns: one is stopped while the other has its slice. ENGRAMD_BENCH_PAIRS is how often; 10. A
// pair takes 10 s.
func BenchmarkAgentBeside(b *testing.B) {
	pairs := 10
	if text := os.Getenv("ENGRAMD_BENCH_PAIRS"); text != "" {
		var err error
		if pairs, err = strconv.Atoi(text); err != nil {
			b.Fatal(err)
		}
	}
	addr := fmt.Sprintf("127.0.0.1:%d", testenv.Port(b))
	a := loop.New(b, "", nil)
	a.Write(b, fmt.Sprintf("version: 1\ndata_dir: %s\nlisten: {agent: %q, node: %q}\nmetrics: {interval: %s}\nnode: {enabled: true}\n", a.Dir, a.Addr, addr, besideEvery))
	a.Start(b)
	alone := node.Start(b)
	with := &side{url: "http://" + addr, pid: a.PID()}
	without := &side{url: alone.URL, pid: alone.PID()}
	b.Cleanup(func() { // whoever is stopped could not be told to end
		with.signal(b, syscall.SIGCONT)
		without.signal(b, syscall.SIGCONT)
	})
	with.signal(b, syscall.SIGSTOP)
	quiet := idle(b, without) // before anything was asked: later a node has something to tidy up
	agent := idle(b, with) - quiet
	for _, s := range []*side{with, without} {
		s.signal(b, syscall.SIGCONT)
		(&node.Node{URL: s.url}).Web(b, 40_009)
		s.slice(b, time.Second)
		s.signal(b, syscall.SIGSTOP)
	}
	var rate, cpu []load.Pair
	for i := range pairs {
		order := []*side{without, with}
		if i%2 == 1 {
			order = []*side{with, without}
		}
		var did [2]done
		for k, s := range order {
			s.signal(b, syscall.SIGCONT)
			did[(k+i)%2] = s.slice(b, besideEvery)
			s.signal(b, syscall.SIGSTOP)
		}
		rate = append(rate, load.Pair{Was: did[0].perSecond, Is: did[1].perSecond})
		cpu = append(cpu, load.Pair{Was: did[0].cpuEach, Is: did[1].cpuEach})
	}
	b.ReportMetric(agent, "agent-%-of-a-core")
	report(b, "throughput", rate)
	report(b, "cpu-each", cpu)
	if c := load.Compare(rate, 1); 100*(1-c.Ratio) >= besideAtMost {
		b.Logf("NOT MET: the agent costs %.1f%% of the throughput, more than %d%%", 100*(1-c.Ratio), besideAtMost)
	}
}

// idle is what a side uses of a core, in per cent, while nobody asks it anything.
func idle(b *testing.B, s *side) float64 {
	b.Helper()
	s.signal(b, syscall.SIGCONT)
	defer s.signal(b, syscall.SIGSTOP)
	settle, lasts := time.After(besideEvery), 6*besideEvery
	<-settle
	before := cpuOf(b, s.pid)
	<-time.After(lasts)
	return 100 * (cpuOf(b, s.pid) - before).Seconds() / lasts.Seconds()
}

func report(b *testing.B, what string, pairs []load.Pair) {
	c := load.Compare(pairs, 1)
	b.ReportMetric(c.Ratio, what+"-ratio")
	b.ReportMetric(c.Low, what+"-low")
	b.ReportMetric(c.High, what+"-high")
}

// A side is one of two processes.
type side struct {
	url string
	pid int
	at  atomic.Int64
}

// done is what a side did in a slice.
type done struct {
	perSecond float64 // requests
	cpuEach   float64 // seconds of CPU of its process a request
}

func (s *side) signal(b *testing.B, sig syscall.Signal) {
	b.Helper()
	if err := syscall.Kill(s.pid, sig); err != nil && sig != syscall.SIGCONT {
		b.Fatal(err)
	}
}

// slice lets 8 clients ask for a while: for what is near, for a memory, and for one to be remembered.
func (s *side) slice(b *testing.B, lasts time.Duration) done {
	b.Helper()
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 8}}
	defer client.CloseIdleConnections()
	began, before, asked := time.Now(), cpuOf(b, s.pid), s.at.Load()
	var clients sync.WaitGroup
	for range 8 {
		clients.Go(func() {
			for time.Since(began) < lasts {
				if err := s.ask(client, s.at.Add(1)); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	clients.Wait()
	n := float64(s.at.Load() - asked)
	return done{n / time.Since(began).Seconds(), (cpuOf(b, s.pid) - before).Seconds() / n}
}

func (s *side) ask(client *http.Client, i int64) error {
	method, path, body := http.MethodGet, fmt.Sprintf("/api/v1/memories/m%d", i%40_009), ""
	switch i % 3 {
	case 0:
		method, path = http.MethodPost, "/api/v1/memories/recall"
		body = fmt.Sprintf(`{"seeds":["m%d"],"limit":10}`, i%40_009)
	case 1:
		method, path = http.MethodPost, "/api/v1/memories/remember"
		body = fmt.Sprintf(`{"content":"what client %d says to be remembered"}`, i)
	}
	request, err := http.NewRequest(method, s.url+path, bytes.NewReader([]byte(body)))
	if err != nil {
		return err
	}
	request.Header.Set("Content-Type", "application/json")
	answer, err := client.Do(request)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	_, err = io.Copy(io.Discard, answer.Body)
	if answer.StatusCode/100 != 2 {
		return fmt.Errorf("%s %s: %s", method, path, answer.Status)
	}
	return err
}

// cpuOf is the CPU time of a process.
func cpuOf(b *testing.B, pid int) (sum time.Duration) {
	b.Helper()
	for _, one := range node.Tasks(b, pid) {
		sum += one.CPU
	}
	return sum
}
