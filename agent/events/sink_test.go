package events_test

import (
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/engramd/engramd/agent/events"
	"github.com/engramd/engramd/policy"
	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// start runs a sink; what it returns stops it and waits.
func start(t *testing.T, s *events.Sink) (stop func()) {
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	stop = sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(stop)
	return stop
}

// A listener is a receiver over HTTP that remembers what it got.
type listener struct {
	*httptest.Server
	mu     sync.Mutex
	bodies []string
	header http.Header
	path   string
}

func listen(t *testing.T) *listener {
	l := &listener{}
	l.Server = httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		l.mu.Lock()
		defer l.mu.Unlock()
		l.bodies, l.header, l.path = append(l.bodies, string(body)), r.Header, r.URL.Path
	}))
	t.Cleanup(l.Close)
	return l
}

func (l *listener) got() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.bodies
}

func TestTheWebhookGetsCloudEvents(t *testing.T) {
	headers := t.TempDir() + "/headers"
	if err := os.WriteFile(headers, []byte("# for the bus\nAuthorization: Bearer s3cret\n\nX-Team: memory\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	l := listen(t)
	s := run(t, events.Config{Source: "host1", Webhook: &events.Receiver{URL: l.URL + "/bus", HeadersFile: headers, MinSeverity: policy.Warning}})
	s.Emit(event(1)) // not loud enough
	loud := event(2)
	loud.Severity, loud.Action = policy.Warning, "a1"
	s.Emit(loud)
	s.stop()
	if len(l.got()) != 1 {
		t.Fatalf("got %v", l.got())
	}
	var got any
	if err := json.Unmarshal([]byte(l.got()[0]), &got); err != nil {
		t.Fatal(err)
	}
	want := map[string]any{
		"specversion": "1.0", "id": "e2", "source": "engramd://host1", "type": "io.engramd.state", "subject": "engram/cpu",
		"time": "2026-11-21T12:00:00Z", "datacontenttype": "application/json", "severity": "warning",
		"data": map[string]any{
			"id": "e2", "time": "2026-11-21T12:00:00Z", "type": "state", "severity": "warning", "target": "engram", "resource": "cpu",
			"action": "a1", "from": 2000., "to": 4000., "outcome": "applying", "message": "message 2",
		},
	}
	if diff := cmp.Diff(any(want), got); diff != "" {
		t.Error(diff)
	}
	if l.path != "/bus" || l.header.Get("Content-Type") != "application/cloudevents+json; charset=utf-8" ||
		l.header.Get("Authorization") != "Bearer s3cret" || l.header.Get("X-Team") != "memory" {
		t.Errorf("%s with %v", l.path, l.header)
	}
	if strings.Contains(s.log.String(), "s3cret") {
		t.Error("the log holds a secret")
	}
}

func TestAReloadChangesTheReceivers(t *testing.T) {
	first, second := listen(t), listen(t)
	s := run(t, events.Config{Webhook: &events.Receiver{URL: first.URL}})
	s.Emit(event(1))
	if err := s.Reload(events.Config{Webhook: &events.Receiver{URL: "ftp://nowhere"}}); err == nil {
		t.Fatal("a broken configuration was taken")
	}
	s.Emit(event(2))
	if err := s.Reload(events.Config{Webhook: &events.Receiver{URL: second.URL}}); err != nil {
		t.Fatal(err)
	}
	s.Emit(event(3))
	s.stop()
	if len(first.got()) != 2 || len(second.got()) != 1 || !strings.Contains(second.got()[0], `"e3"`) {
		t.Errorf("the first got %v, the second %v", first.got(), second.got())
	}
}

func TestFaultsAreFoundBeforeAnythingRuns(t *testing.T) {
	tests := map[string]events.Config{
		"no url":     {Webhook: &events.Receiver{}},
		"no host":    {Webhook: &events.Receiver{URL: "http://"}},
		"other url":  {Alertmanager: &events.Receiver{URL: "file:///etc/passwd"}},
		"no ca file": {Webhook: &events.Receiver{URL: "https://x", CAFile: "/nowhere"}},
		"no ca":      {Webhook: &events.Receiver{URL: "https://x", CAFile: "sink_test.go"}},
	}
	for name, cfg := range tests {
		if _, err := events.New(cfg, slog.New(slog.DiscardHandler), prometheus.NewRegistry()); err == nil {
			t.Errorf("%s: taken", name)
		}
	}
}

// What a receiver may do to us over a real connection.
func TestHostileReceivers(t *testing.T) {
	tests := map[string]func(over <-chan struct{}, w http.ResponseWriter, r *http.Request){
		"hangs": func(over <-chan struct{}, _ http.ResponseWriter, _ *http.Request) { <-over },
		"answers without end": func(_ <-chan struct{}, w http.ResponseWriter, _ *http.Request) {
			for err := error(nil); err == nil; {
				_, err = w.Write(make([]byte, 64<<10))
			}
		},
		"sends headers without end": func(_ <-chan struct{}, w http.ResponseWriter, _ *http.Request) {
			for i := range 10000 {
				w.Header().Add("X-Junk", strings.Repeat("j", 100+i%2))
			}
		},
		"hangs in the middle": func(over <-chan struct{}, w http.ResponseWriter, _ *http.Request) {
			_, _ = w.Write([]byte("well"))
			w.(http.Flusher).Flush()
			<-over
		},
		"refuses": func(_ <-chan struct{}, w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusBadRequest) },
	}
	for name, answer := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			over := make(chan struct{})
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { answer(over, w, r) }))
			t.Cleanup(func() {
				close(over)
				server.Close()
			})
			dir := t.TempDir()
			s := run(t, events.Config{Dir: dir, Webhook: &events.Receiver{URL: server.URL, Timeout: 50 * time.Millisecond}})
			begin := time.Now()
			for n := range 3 * 1024 {
				s.Emit(event(n))
			}
			if took := time.Since(begin); took > time.Second {
				t.Errorf("emitting took %v", took)
			}
			// The file's events are not held by the webhook's.
			s.until(func() bool {
				return s.value("engramd_events_delivered_total", "file")+s.dropped("file", "queue_full") == 3*1024
			})
			begin = time.Now()
			s.stop()
			if took := time.Since(begin); took > 10*time.Second {
				t.Errorf("stopping took %v", took)
			}
			total := s.value("engramd_events_delivered_total", "webhook") + s.dropped("webhook", "failed") +
				s.dropped("webhook", "queue_full") + s.dropped("webhook", "shutdown")
			if total != 3*1024 {
				t.Errorf("%v events are accounted for", total)
			}
		})
	}
}

func TestARedirectDoesNotCarryOurHeadersElsewhere(t *testing.T) {
	elsewhere := listen(t)
	server := httptest.NewServer(http.RedirectHandler(elsewhere.URL, http.StatusTemporaryRedirect))
	t.Cleanup(server.Close)
	s := run(t, events.Config{Webhook: &events.Receiver{URL: server.URL}})
	s.Emit(event(1))
	s.stop()
	if len(elsewhere.got()) > 0 || s.dropped("webhook", "failed") != 1 {
		t.Errorf("followed: %v", elsewhere.got())
	}
}
