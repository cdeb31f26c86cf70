package events

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/engramd/engramd/policy"
	"github.com/google/go-cmp/cmp"
)

// These tests are internal: they put a transport of their own under the poster, so that tries and
// renewals run in virtual time.

// A wire answers requests without a network.
type wire struct {
	answers []int // status codes, the last one for ever; 0 is no answer
	header  http.Header
	bodies  []string
	at      []time.Time
}

func (w *wire) RoundTrip(r *http.Request) (*http.Response, error) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	w.bodies, w.at = append(w.bodies, string(body)), append(w.at, time.Now())
	status := w.answers[0]
	if len(w.answers) > 1 {
		w.answers = w.answers[1:]
	}
	if status == 0 {
		<-r.Context().Done()
		return nil, r.Context().Err()
	}
	return &http.Response{StatusCode: status, Status: http.StatusText(status), Header: w.header, Body: io.NopCloser(strings.NewReader("")), Request: r}, nil
}

func onWire(w *wire) *poster {
	return &poster{url: "http://receiver", client: &http.Client{Transport: w, Timeout: 10 * time.Second}}
}

func TestTries(t *testing.T) {
	tests := map[string]struct {
		wire      wire
		ok        bool
		tries     int
		from, til time.Duration // how long it may take
	}{
		"at once":            {wire{answers: []int{200}}, true, 1, 0, 0},
		"busy, then well":    {wire{answers: []int{503, 500, 202}}, true, 3, 3 * time.Second, 6 * time.Second},
		"down":               {wire{answers: []int{500}}, false, tries, 7 * time.Second, 14 * time.Second},
		"hangs":              {wire{answers: []int{0}}, false, tries, 47 * time.Second, 54 * time.Second},
		"does not like it":   {wire{answers: []int{400}}, false, 1, 0, 0},
		"too many, and when": {wire{answers: []int{429, 200}, header: http.Header{"Retry-After": {"20"}}}, true, 2, 20 * time.Second, 20 * time.Second},
		"too many, for ever": {wire{answers: []int{429, 200}, header: http.Header{"Retry-After": {"999999"}}}, true, 2, longest, longest},
		"moved":              {wire{answers: []int{307}}, false, 1, 0, 0},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				begin := time.Now()
				err := onWire(&test.wire).post(t.Context(), "http://receiver", "text/plain", []byte("hello"))
				took := time.Since(begin)
				if (err == nil) != test.ok || len(test.wire.bodies) != test.tries || took < test.from || took > test.til {
					t.Errorf("%v after %d tries and %v", err, len(test.wire.bodies), took)
				}
			})
		})
	}
}

func TestTheEndCutsTriesShort(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
		defer cancel()
		begin := time.Now()
		if err := onWire(&wire{answers: []int{0}}).post(ctx, "http://receiver", "text/plain", nil); err == nil {
			t.Error("no error")
		}
		if took := time.Since(begin); took > 3*time.Second {
			t.Errorf("took %v", took)
		}
	})
}

func TestAlertsFireAreRenewedAndEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &wire{answers: []int{200}}
		m := newAlertmanager(onWire(w), Config{Source: "host1", ConsoleURL: "http://host1:9090"}, policy.Warning)
		event := func(kind policy.EventType, s policy.Severity, name string) policy.Event {
			return policy.Event{At: time.Now(), Type: kind, Severity: s, Target: "engram", Message: string(kind), Details: map[string]string{"policy": name}}
		}
		send := func(e policy.Event) error { return m.deliver(t.Context(), e) }
		last := func() string {
			t.Helper()
			if len(w.bodies) == 0 {
				t.Fatal("nothing was sent")
			}
			return w.bodies[len(w.bodies)-1]
		}
		begin := time.Now()
		ok := func(err error) {
			t.Helper()
			if err != nil {
				t.Fatal(err)
			}
		}

		if err := send(event(policy.EventBlind, policy.Info, "cpu")); !errors.Is(err, errNothing) {
			t.Errorf("the end of nothing was sent: %v", err)
		}
		ok(send(event(policy.EventBlind, policy.Warning, "cpu")))
		want := `[{"labels":{"alertname":"EngramdBlind","instance":"host1","policy":"cpu","severity":"warning","target":"engram"},` +
			`"annotations":{"summary":"blind"},"startsAt":"2000-01-01T00:00:00Z","endsAt":"2000-01-01T00:04:00Z","generatorURL":"http://host1:9090"}]`
		if diff := cmp.Diff(want, strings.ReplaceAll(last(), begin.Format("2006-01-02T15"), "2000-01-01T00")); diff != "" {
			t.Error(diff)
		}
		time.Sleep(time.Minute)
		ok(m.refresh(t.Context()))
		if !strings.Contains(last(), `"startsAt":"2000-01-01T00:00:00Z","endsAt":"2000-01-01T00:05:00Z"`) {
			t.Errorf("renewed as %s", last())
		}
		ok(send(event(policy.EventBlind, policy.Warning, "memory"))) // another one
		ok(send(event(policy.EventBlind, policy.Info, "cpu")))
		if !strings.Contains(last(), `"endsAt":"2000-01-01T00:01:00Z"`) || !strings.Contains(last(), `"policy":"cpu"`) {
			t.Errorf("ended as %s", last())
		}
		ok(m.refresh(t.Context()))
		if strings.Contains(last(), `"cpu"`) || !strings.Contains(last(), `"memory"`) {
			t.Errorf("renewed %s", last())
		}

		// A failure lasts until somebody unfreezes.
		ok(send(event(policy.EventFailure, policy.Critical, "")))
		ok(send(event(policy.EventFreeze, policy.Warning, "")))
		ok(send(event(policy.EventFreeze, policy.Info, "")))
		if !strings.Contains(last(), "EngramdFreeze") || !strings.Contains(last(), "EngramdFailure") {
			t.Errorf("unfreezing ended %s", last())
		}

		// What happened once ends by itself; what is not loud enough is not said.
		ok(send(event(policy.EventReversal, policy.Warning, "")))
		if !strings.Contains(last(), `"endsAt":"2000-01-01T00:16:00Z"`) {
			t.Errorf("sent %s", last())
		}
		if err := send(event(policy.EventState, policy.Info, "")); !errors.Is(err, errNothing) {
			t.Errorf("sent a state: %v", err)
		}
	})
}

func TestAFailedAlertIsSentAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &wire{answers: []int{400, 200}}
		m := newAlertmanager(onWire(w), Config{}, policy.Info)
		if err := m.deliver(t.Context(), policy.Event{Type: policy.EventFailure, Severity: policy.Critical}); err == nil {
			t.Error("no error")
		}
		if err := m.refresh(t.Context()); err != nil || !strings.Contains(w.bodies[1], "EngramdFailure") {
			t.Errorf("%v, %v", err, w.bodies)
		}
	})
}

func FuzzParseHeaders(f *testing.F) {
	for _, s := range []string{"", "A: b", "# no\n A : b:c \n", "no colon", ": x", "A B: c", "A: \r\nB:\x00"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		h := http.Header{}
		err := parseHeaders("Secret-Name: s3cret-value\n"+text, h)
		if h.Get("Secret-Name") == "" {
			t.Error("a good line was lost")
		}
		if err != nil && strings.Contains(err.Error(), "s3cret") {
			t.Error("an error shows a value")
		}
	})
}
