package kubernetes_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	eventsv1 "k8s.io/api/events/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	clienttesting "k8s.io/client-go/testing"

	"github.com/engramd/engramd/policy"
)

// recorded are the Events in the model; names are made up as the API server does.
func recorded(t *testing.T, m *model) []eventsv1.Event {
	t.Helper()
	list, err := m.api.EventsV1().Events(namespace).List(t.Context(), metav1.ListOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return list.Items
}

func withEvents(t *testing.T) (*model, policy.Target) {
	m := newModel(t)
	n := 0
	m.api.PrependReactor("create", "events", func(a clienttesting.Action) (bool, runtime.Object, error) {
		e := a.(clienttesting.CreateAction).GetObject().(*eventsv1.Event)
		n++
		e.Name = fmt.Sprintf("%s%d", e.GenerateName, n)
		return false, nil, nil
	})
	return m, m.start(service{resources: requirements("1", "64Mi")})
}

func TestEventsOnAWorkload(t *testing.T) {
	tests := []struct {
		event              policy.Event
		reason, kind, note string // none without a reason
	}{
		{policy.Event{Type: policy.EventState, Severity: policy.Info, Outcome: "committed", Action: "abc", Message: "cpu 1 -> 2"},
			"ResizeCommitted", "Normal", "cpu 1 -> 2 (engramd explain abc)"},
		{policy.Event{Type: policy.EventState, Severity: policy.Warning, Outcome: "rolled_back", Message: "no effect"}, "ResizeRolledBack", "Warning", "no effect"},
		{policy.Event{Type: policy.EventDecision, Severity: policy.Info, Decision: "def", Message: "row 3"}, "ResizeDecided", "Normal", "row 3 (engramd explain def)"},
		{policy.Event{Type: policy.EventFailure, Severity: policy.Critical, Message: "help"}, "ResizeFailure", "Warning", "help"},
		{policy.Event{Type: policy.EventBlind, Severity: policy.Warning, Message: "dark"}, "ResizeBlind", "Warning", "dark"},
		{policy.Event{Type: policy.EventStep, Severity: policy.Info, Message: "do"}, "", "", ""},
		{policy.Event{Type: policy.EventStep, Severity: policy.Warning, Message: "again"}, "ResizeStep", "Warning", "again"},
		{policy.Event{Type: policy.EventAgent, Severity: policy.Info, Message: "started"}, "", "", ""},
	}
	for _, tt := range tests {
		t.Run(string(tt.event.Type)+" "+tt.reason, func(t *testing.T) {
			m, target := withEvents(t)
			if err := m.driver.RecordEvent(t.Context(), target, tt.event); err != nil {
				t.Fatal(err)
			}
			got := recorded(t, m)
			if tt.reason == "" {
				if len(got) > 0 {
					t.Errorf("got %v", got)
				}
				return
			}
			if len(got) != 1 || got[0].Reason != tt.reason || got[0].Type != tt.kind || got[0].Note != tt.note {
				t.Fatalf("got %+v", got)
			}
			if r := got[0].Regarding; r.Kind != "Deployment" || r.Name != "web" || r.UID != "uid-web" || r.APIVersion != "apps/v1" {
				t.Errorf("it regards %+v", r)
			}
		})
	}
}

func TestLongNotesAreCut(t *testing.T) {
	m, target := withEvents(t)
	e := policy.Event{Type: policy.EventFailure, Severity: policy.Critical, Action: "abc", Message: strings.Repeat("ü", 1000)}
	if err := m.driver.RecordEvent(t.Context(), target, e); err != nil {
		t.Fatal(err)
	}
	note := recorded(t, m)[0].Note
	if len(note) > 1024 || !strings.HasSuffix(note, "… (engramd explain abc)") || strings.ToValidUTF8(note, "?") != note {
		t.Errorf("%d bytes: …%s", len(note), note[len(note)-40:])
	}
}

func TestTheSameEventIsCounted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, target := withEvents(t)
		e := policy.Event{Type: policy.EventBlind, Severity: policy.Warning, Message: "dark"}
		say := func() {
			t.Helper()
			if err := m.driver.RecordEvent(t.Context(), target, e); err != nil {
				t.Fatal(err)
			}
		}
		for range 60 {
			say()
			time.Sleep(10 * time.Second)
		}
		got := recorded(t, m)
		if len(got) != 1 || got[0].Series == nil || got[0].Series.Count < 55 {
			t.Fatalf("got %d events, %+v", len(got), got[0].Series)
		}
		patches := 0
		for _, a := range m.api.Actions() {
			if a.Matches("patch", "events") {
				patches++
			}
		}
		if patches > 25 {
			t.Errorf("one series was written %d times in 10 minutes", patches)
		}
		time.Sleep(11 * time.Minute)
		say() // another series
		if got := recorded(t, m); len(got) != 2 {
			t.Errorf("got %d events", len(got))
		}
	})
}

func TestAnEventThatExpiredIsMadeAgain(t *testing.T) {
	m, target := withEvents(t)
	m.api.PrependReactor("patch", "events", func(clienttesting.Action) (bool, runtime.Object, error) {
		return true, nil, apierrors.NewNotFound(schema.GroupResource{Resource: "events"}, "gone")
	})
	e := policy.Event{Type: policy.EventBlind, Severity: policy.Warning, Message: "dark"}
	for range 3 {
		if err := m.driver.RecordEvent(t.Context(), target, e); err != nil {
			t.Fatal(err)
		}
	}
	if got := recorded(t, m); len(got) != 2 {
		t.Errorf("got %d events", len(got))
	}
}

// TestAnEventThatCouldNotBeMadeIsTriedAgain repeats a warning every minute: the API server was away at the first.
func TestAnEventThatCouldNotBeMadeIsTriedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, target := withEvents(t)
		m.faults = []fault{{call: "create events", err: errAway}}
		e := policy.Event{Type: policy.EventBlind, Severity: policy.Warning, Message: "dark"}
		if err := m.driver.RecordEvent(t.Context(), target, e); err == nil {
			t.Fatal("no error")
		}
		for range 30 {
			time.Sleep(time.Minute)
			if err := m.driver.RecordEvent(t.Context(), target, e); err != nil {
				t.Fatal(err)
			}
		}
		if got := recorded(t, m); len(got) != 1 || got[0].Series == nil || got[0].Series.Count < 28 {
			t.Errorf("got %+v, want one that is counted up", got)
		}
	})
}

func TestAFloodOfEventsLeavesRoomForWarnings(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, target := withEvents(t)
		for i := range 500 {
			e := policy.Event{Type: policy.EventDecision, Severity: policy.Info, Message: fmt.Sprint("decision ", i)}
			if err := m.driver.RecordEvent(t.Context(), target, e); err != nil {
				t.Fatal(err)
			}
		}
		if got := len(recorded(t, m)); got > 20 {
			t.Errorf("%d events at once", got)
		}
		warning := policy.Event{Type: policy.EventFailure, Severity: policy.Critical, Message: "help"}
		if err := m.driver.RecordEvent(t.Context(), target, warning); err != nil {
			t.Fatal(err)
		}
		if !slices.ContainsFunc(recorded(t, m), func(e eventsv1.Event) bool { return e.Note == "help" }) {
			t.Error("the warning was passed over")
		}
	})
}

func TestEventWithoutRights(t *testing.T) {
	m, target := withEvents(t)
	m.faults = []fault{{call: "create events", err: apierrors.NewForbidden(schema.GroupResource{Resource: "events"}, "", fmt.Errorf("cannot create"))}}
	e := policy.Event{Type: policy.EventFailure, Severity: policy.Critical, Message: "help"}
	if err := m.driver.RecordEvent(t.Context(), target, e); err == nil || !strings.Contains(err.Error(), "grant engramd that right") {
		t.Errorf("got %v", err)
	}
	if err := m.driver.RecordEvent(t.Context(), target, e); err != nil { // not for every event again
		t.Errorf("got %v", err)
	}
}
