package kubernetes

import (
	"context"
	"fmt"
	"os"
	"strings"
	"time"
	"unicode/utf8"

	corev1 "k8s.io/api/core/v1"
	eventsv1 "k8s.io/api/events/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/engramd/engramd/actuators"
	"github.com/engramd/engramd/policy"
)

var _ actuators.Recorder = (*Driver)(nil)

// reporter is who our Events are from.
const reporter = "engramd.io/agent"

const (
	noteLimit    = 1024 // the API's, in bytes
	eventTimeout = 3 * time.Second
	// A series is one Event that is counted up: the same again within seriesFor.
	seriesFor = 10 * time.Minute
)

// RecordEvent leaves e on the workload as a Kubernetes Event, where `kubectl describe` shows it. What
// is of interest to nobody there is passed over. So is what there is too much of: an Event is for
// people, and engramd's own events have all.
func (d *Driver) RecordEvent(ctx context.Context, t policy.Target, e policy.Event) error {
	reason := reasonOf(e)
	if reason == "" {
		return nil
	}
	spec, c, err := d.reach(t)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, eventTimeout)
	defer cancel()
	board, saying := c.host+"/"+t.Name, reason+"/"+e.Message
	one, action := d.shared.notices.admit(board, saying, e.Severity != policy.Info, time.Now())
	switch action {
	case passOver:
		return nil
	case countUp:
		err := c.countUp(ctx, one)
		if !apierrors.IsNotFound(err) {
			return fault("count an Event", err)
		}
		d.shared.notices.forget(board, saying) // it has expired
		return nil
	}
	made, err := c.notify(ctx, spec, e, reason)
	if err != nil {
		return err
	}
	d.shared.notices.made(board, saying, made.Namespace, made.Name)
	return nil
}

// notify makes an Event.
func (c *cluster) notify(ctx context.Context, spec Spec, e policy.Event, reason string) (*eventsv1.Event, error) {
	w, err := c.workload(ctx, spec)
	if err != nil {
		return nil, err
	}
	made, err := c.api.EventsV1().Events(w.Namespace).Create(ctx, noticeOf(w, e, reason, time.Now()), metav1.CreateOptions{})
	return made, fault("record an Event on "+w.ref.String(), err)
}

// reasonOf is the machine's word for an event, "" for none: the single steps and looks of an action are
// for engramd explain.
func reasonOf(e policy.Event) string {
	loud := e.Severity != policy.Info
	switch e.Type {
	case policy.EventState:
		return "Resize" + camelCase(string(e.Outcome))
	case policy.EventDecision:
		return "ResizeDecided"
	case policy.EventPlan:
		return "ResizePlanned"
	case policy.EventStep, policy.EventValidate:
		if loud {
			return "Resize" + camelCase(string(e.Type))
		}
		return ""
	case policy.EventDrift, policy.EventReversal, policy.EventFreeze, policy.EventPause, policy.EventBlind,
		policy.EventStandby, policy.EventDiagnose, policy.EventAlert, policy.EventFailure:
		return "Resize" + camelCase(string(e.Type))
	}
	return ""
}

// camelCase writes rolled_back as RolledBack.
func camelCase(s string) string {
	var b strings.Builder
	for word := range strings.FieldsFuncSeq(s, func(r rune) bool { return r == '_' || r == ' ' || r == '-' }) {
		b.WriteString(strings.ToUpper(word[:1]) + word[1:])
	}
	return b.String()
}

// noticeOf is a new Event on w.
func noticeOf(w workload, e policy.Event, reason string, at time.Time) *eventsv1.Event {
	kind := corev1.EventTypeNormal
	if e.Severity != policy.Info {
		kind = corev1.EventTypeWarning
	}
	action := "Resize"
	if e.Resource != "" {
		action += " " + string(e.Resource)
	}
	return &eventsv1.Event{
		ObjectMeta: metav1.ObjectMeta{
			GenerateName: "engramd-", Namespace: w.Namespace, Labels: merged(nil, managedBy),
		},
		EventTime: metav1.NewMicroTime(at), ReportingController: reporter, ReportingInstance: instance(),
		Action: action, Reason: reason, Type: kind, Note: note(e),
		Regarding: corev1.ObjectReference{
			APIVersion: apiVersion(w.Kind), Kind: w.Kind, Namespace: w.Namespace, Name: w.Name, UID: w.UID, ResourceVersion: w.meta.ResourceVersion,
		},
	}
}

// instance is the process that reports; the API bounds it.
func instance() string {
	name, err := os.Hostname()
	if err != nil || name == "" {
		return manager
	}
	return name[:min(len(name), 128)]
}

// note is the event's sentence, with what to ask for more.
func note(e policy.Event) string {
	more := ""
	switch {
	case e.Action != "":
		more = " (engramd explain " + e.Action + ")"
	case e.Decision != "":
		more = " (engramd explain " + e.Decision + ")"
	}
	text := e.Message
	if room := noteLimit - len(more); len(text) > room {
		text = text[:room-len("…")]
		for !utf8.ValidString(text) && len(text) > 0 {
			text = text[:len(text)-1]
		}
		text += "…"
	}
	return text + more
}

// countUp writes how often an Event was seen.
func (c *cluster) countUp(ctx context.Context, n notice) error {
	patch := fmt.Sprintf(`{"series":{"count":%d,"lastObservedTime":%q}}`, n.count, metav1.NewMicroTime(n.last).UTC().Format(metav1.RFC3339Micro))
	_, err := c.api.EventsV1().Events(n.namespace).Patch(ctx, n.name, types.MergePatchType, []byte(patch), metav1.PatchOptions{})
	return err
}
