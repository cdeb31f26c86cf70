package kubernetes

import (
	"context"
	"encoding/pem"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"k8s.io/client-go/rest"

	"github.com/engramd/engramd/actuators"
	"github.com/engramd/engramd/actuators/cgroup"
	"github.com/engramd/engramd/policy"
)

const (
	oldID = "1111111111111111111111111111111111111111111111111111111111111111"
	newID = "2222222222222222222222222222222222222222222222222222222222222222"
)

// line is one sample as cAdvisor writes it.
func line(name, id, more string, value float64, at int64) string {
	return fmt.Sprintf("%s{container=\"app\",id=\"/kubepods/burstable/pod7/%s\",image=\"app:1\",name=\"%s\",namespace=\"prod\",pod=\"web-0\"%s} %g %d\n",
		name, id, id, more, value, at)
}

func cadvisor(id string, at int64) string {
	return "# HELP container_cpu_usage_seconds_total Cumulative cpu time consumed\n# TYPE container_cpu_usage_seconds_total counter\n" +
		line("container_cpu_usage_seconds_total", id, `,cpu="total"`, 12.5, at) +
		line("container_cpu_cfs_periods_total", id, "", 100, at) +
		line("container_cpu_cfs_throttled_periods_total", id, "", 40, at) +
		line("container_cpu_cfs_throttled_seconds_total", id, "", 3.25, at) +
		line("container_spec_cpu_period", id, "", 100000, at) +
		line("container_spec_cpu_quota", id, "", 150000, at) +
		line("container_spec_memory_limit_bytes", id, "", 1<<28, at) +
		line("container_memory_usage_bytes", id, "", 3e7, at) +
		line("container_memory_working_set_bytes", id, "", 2e7, at) +
		line("container_memory_rss", id, "", 1e7, at) +
		line("container_fs_reads_total", id, `,device="/dev/sda"`, 5, at) +
		line("container_fs_reads_total", id, `,device="/dev/sdb"`, 7, at) +
		line("container_network_receive_bytes_total", id, `,interface="eth0"`, 99, at)
}

func TestWhatAKubeletShows(t *testing.T) {
	p, err := parsePage(strings.NewReader(cadvisor(newID, 1000)))
	if err != nil {
		t.Fatal(err)
	}
	n, ok := p.of(containerName{"prod", "web-0", "app"}, newID)
	if !ok {
		t.Fatal("the container is not found")
	}
	want := cgroup.Stats{
		CPU: cgroup.CPU{
			Used: new(12500 * time.Millisecond), Periods: new(int64(100)), ThrottledPeriods: new(int64(40)),
			Throttled: new(3250 * time.Millisecond), Limit: policy.Amount(1500),
		},
		Memory: cgroup.Memory{Usage: new(int64(3e7)), WorkingSet: new(int64(2e7)), Anon: new(int64(1e7)), Limit: policy.Amount(1 << 28)},
		IO:     cgroup.IO{ReadOps: new(int64(12))},
	}
	if diff := cmp.Diff(want, n.stats(), cmp.AllowUnexported(policy.Quantity{})); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

func TestWhichContainerIsMeant(t *testing.T) {
	name := containerName{"prod", "web-0", "app"}
	minute := time.Minute.Milliseconds()
	tests := []struct {
		name, page, id string
		want           string // the id found
	}{
		{"the new life of two", cadvisor(oldID, 5*minute) + cadvisor(newID, 5*minute), newID, newID},
		{"two lives and no id", cadvisor(oldID, 5*minute) + cadvisor(newID, 5*minute), "", ""},
		{"another's life", cadvisor(oldID, 5*minute), newID, ""},
		{"one and no id", cadvisor(oldID, 5*minute), "", oldID},
		{"one that is long gone", cadvisor(oldID, minute) + line("container_threads", newID, "", 1, 9*minute), oldID, ""},
		{"nothing", "", newID, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			p, err := parsePage(strings.NewReader(tt.page))
			if err != nil {
				t.Fatal(err)
			}
			n, ok := p.of(name, tt.id)
			if got := ""; ok {
				if got = n.id; got != tt.want {
					t.Errorf("want %q, got %q", tt.want, got)
				}
			} else if tt.want != "" {
				t.Error("not found")
			}
		})
	}
}

// TestContainersWithoutNames is what is shown where the runtime's socket is not where cAdvisor looks.
func TestContainersWithoutNames(t *testing.T) {
	unnamed := strings.NewReplacer(`container="app"`, `container=""`, `pod="web-0"`, `pod=""`, `namespace="prod"`, `namespace=""`, `name="`+newID+`"`, `name=""`)
	for _, group := range []string{"/" + newID, "/cri-containerd-" + newID + ".scope"} {
		text := strings.ReplaceAll(unnamed.Replace(cadvisor(newID, 1000)), "/"+newID, group)
		p, err := parsePage(strings.NewReader(text))
		if err != nil {
			t.Fatal(err)
		}
		n, ok := p.of(containerName{"prod", "web-0", "app"}, newID)
		if s := n.stats(); !ok || s.CPU.Used == nil || s.Memory.Anon == nil {
			t.Errorf("%s: not found", group)
		}
	}
}

// TestNoMemoryIsNoMemoryKnown: right after its start a container is listed with nothing.
func TestNoMemoryIsNoMemoryKnown(t *testing.T) {
	p, err := parsePage(strings.NewReader(line("container_memory_usage_bytes", newID, "", 0, 1) + line("container_memory_rss", newID, "", 0, 1) +
		line("container_cpu_cfs_periods_total", newID, "", 0, 1)))
	if err != nil {
		t.Fatal(err)
	}
	n, _ := p.of(containerName{}, newID)
	n.settle()
	if s := n.stats(); s.Memory.Usage != nil || s.Memory.Anon != nil || s.CPU.Periods == nil {
		t.Errorf("got %+v", s)
	}
}

func TestPagesThatAreNoPages(t *testing.T) {
	for name, text := range map[string]string{
		"a long line": strings.Repeat("x", lineLimit+1) + "\n",
		"cut short":   `container_threads{container="app`,
		"no number":   "container_threads{container=\"app\"} many\n",
	} {
		if _, err := parsePage(strings.NewReader(text)); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
	p, err := parsePage(strings.NewReader(line("container_memory_rss", newID, "", -1, 1) + line("container_threads", newID, "", 1e30, 1) +
		strings.ReplaceAll(line("container_memory_usage_bytes", newID, "", 1, 1), "} 1 ", "} NaN ")))
	if err != nil {
		t.Fatal(err)
	}
	n, _ := p.of(containerName{"prod", "web-0", "app"}, newID)
	if s := n.stats(); s.Memory.Anon != nil || s.PIDs.Current != nil || s.Memory.Usage != nil {
		t.Errorf("what cannot be is absent, got %+v", s)
	}
}

func FuzzPage(f *testing.F) {
	f.Add(cadvisor(newID, 1000))
	f.Add("container_threads 1\n")
	f.Fuzz(func(t *testing.T, text string) {
		p, err := parsePage(strings.NewReader(text))
		if err != nil {
			return
		}
		for name := range p.byName {
			n, _ := p.of(name, "")
			n.settle()
			n.stats()
		}
	})
}

// A nodeStub is a kubelet's HTTPS server.
type nodeStub struct {
	*httptest.Server
	asked   atomic.Int64
	mu      sync.Mutex
	answers map[string]http.HandlerFunc
}

func newNode(t *testing.T) *nodeStub {
	n := &nodeStub{answers: map[string]http.HandlerFunc{}}
	n.Server = httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		n.asked.Add(1)
		if r.Header.Get("Authorization") != "Bearer secret" {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		n.mu.Lock()
		answer := n.answers[r.URL.Path]
		n.mu.Unlock()
		if answer == nil {
			http.NotFound(w, r)
			return
		}
		answer(w, r)
	}))
	n.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)
	t.Cleanup(n.Close)
	return n
}

func (n *nodeStub) shows(path, text string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.answers[path] = func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, text) }
}

func (n *nodeStub) answersWith(path string, status int) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.answers[path] = func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "no", status) }
}

func (n *nodeStub) ca() []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: n.Certificate().Raw})
}

// measuring is a driver with one part on the node.
func measuring(t *testing.T, n *nodeStub, config rest.Config, with Kubelet) func(ctx context.Context) (cgroup.Stats, error) {
	t.Helper()
	d := New(nil)
	t.Cleanup(func() { _ = d.Close() })
	config.BearerToken = "secret"
	d.clusters[where{}] = &cluster{config: &config, namespace: "prod", host: "https://model"}
	u, err := url.Parse(n.URL)
	if err != nil {
		t.Fatal(err)
	}
	if with.Port, err = strconv.Atoi(u.Port()); err != nil {
		t.Fatal(err)
	}
	target := policy.Target{Name: "web", Specs: map[string]any{platform: &Spec{Deployment: "web", Kubelet: &with}}}
	part := actuators.Part{Name: "web-0", Raw: actuators.Encode(facts{
		Namespace: "prod", Pod: "web-0", Container: "app", Whereabouts: whereabouts{HostIP: u.Hostname(), ContainerID: newID},
	})}
	return func(ctx context.Context) (cgroup.Stats, error) { return d.Measure(ctx, target, part) }
}

func TestMeasure(t *testing.T) {
	n := newNode(t)
	n.shows(cadvisorPage, cadvisor(newID, 1000))
	measure := measuring(t, n, rest.Config{TLSClientConfig: rest.TLSClientConfig{CAData: n.ca()}}, Kubelet{})
	var all sync.WaitGroup
	for range 50 {
		all.Go(func() {
			s, err := measure(t.Context())
			if err != nil || s.CPU.Used == nil {
				t.Errorf("%+v, %v", s, err)
			}
		})
	}
	all.Wait()
	if got := n.asked.Load(); got != 1 {
		t.Errorf("the kubelet was asked %d times for 50 pods", got)
	}
}

func TestMeasureWithoutCAdvisor(t *testing.T) {
	n := newNode(t)
	n.shows(resourcePage, "container_cpu_usage_seconds_total{container=\"app\",namespace=\"prod\",pod=\"web-0\"} 7 1000\n"+
		"container_memory_working_set_bytes{container=\"app\",namespace=\"prod\",pod=\"web-0\"} 123 1000\n")
	measure := measuring(t, n, rest.Config{TLSClientConfig: rest.TLSClientConfig{CAData: n.ca()}}, Kubelet{})
	s, err := measure(t.Context())
	if err != nil || *s.CPU.Used != 7*time.Second || *s.Memory.WorkingSet != 123 || s.Memory.Usage != nil || s.CPU.Periods != nil {
		t.Errorf("%+v, %v", s, err)
	}
}

func TestMeasureFails(t *testing.T) {
	tests := []struct {
		name   string
		node   func(n *nodeStub)
		config func(n *nodeStub) (rest.Config, Kubelet)
		want   error
		says   string
	}{
		{name: "forbidden", node: func(n *nodeStub) { n.answersWith(cadvisorPage, 403) }, want: actuators.ErrRefused, says: "nodes/metrics"},
		{name: "broken", node: func(n *nodeStub) { n.answersWith(cadvisorPage, 503) }, want: actuators.ErrTransient, says: "503"},
		{name: "not there yet", node: func(n *nodeStub) { n.shows(cadvisorPage, cadvisor(oldID, 1)) }, want: actuators.ErrTransient, says: "does not show container app"},
		{name: "gone", node: func(n *nodeStub) { n.Close() }, want: actuators.ErrTransient, says: "connection refused"},
		{name: "sends elsewhere", node: func(n *nodeStub) {
			n.answers[cadvisorPage] = func(w http.ResponseWriter, r *http.Request) {
				http.Redirect(w, r, "https://example.org/", http.StatusFound)
			}
		}, want: actuators.ErrTransient, says: "302"},
		{
			name: "a certificate of its own", node: func(*nodeStub) {},
			config: func(*nodeStub) (rest.Config, Kubelet) { return rest.Config{}, Kubelet{} },
			want:   actuators.ErrRefused, says: "serverTLSBootstrap",
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			n := newNode(t)
			config, with := rest.Config{TLSClientConfig: rest.TLSClientConfig{CAData: n.ca()}}, Kubelet{}
			if tt.config != nil {
				config, with = tt.config(n)
			}
			measure := measuring(t, n, config, with)
			tt.node(n)
			s, err := measure(t.Context())
			if !errors.Is(err, tt.want) || !strings.Contains(err.Error(), tt.says) {
				t.Errorf("want %q, got %v", tt.says, err)
			}
			if diff := cmp.Diff(cgroup.Stats{}, s, cmp.AllowUnexported(policy.Quantity{})); diff != "" {
				t.Errorf("a failure gives no numbers: %s", diff)
			}
		})
	}
}

func TestMeasureInsecure(t *testing.T) {
	n := newNode(t)
	n.shows(cadvisorPage, cadvisor(newID, 1000))
	// The cluster's own authority and name for the API server must not matter here.
	measure := measuring(t, n, rest.Config{TLSClientConfig: rest.TLSClientConfig{CAData: []byte("another"), ServerName: "api"}}, Kubelet{Insecure: true})
	if _, err := measure(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestKubeletSpec(t *testing.T) {
	for _, k := range []Kubelet{{Insecure: true, CA: "/ca"}, {CA: "ca.crt"}, {Port: -1}, {Port: 70000}} {
		if err := k.check(); err == nil {
			t.Errorf("%+v: no error", k)
		}
	}
	var none *Kubelet
	if err := none.check(); err != nil || none.port() != kubeletPort {
		t.Errorf("%v, port %d", err, none.port())
	}
}

// TestNodesThatAreGoneAreForgotten has a cluster in which every node lives for a minute.
func TestNodesThatAreGoneAreForgotten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var k kubelets
		c := &cluster{config: &rest.Config{}}
		stays, err := k.at(c, "10.1.0.1", nil)
		if err != nil {
			t.Fatal(err)
		}
		for i := range 500 {
			if _, err := k.at(c, fmt.Sprintf("10.0.%d.%d", i/256, i%256), nil); err != nil {
				t.Fatal(err)
			}
			if same, err := k.at(c, "10.1.0.1", nil); err != nil || same != stays {
				t.Fatalf("the kubelet that is asked all the time was forgotten: %v", err)
			}
			time.Sleep(time.Minute)
		}
		if len(k.all) > 15 {
			t.Errorf("%d kubelets are remembered", len(k.all))
		}
	})
}
