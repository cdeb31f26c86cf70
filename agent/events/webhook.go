package events

import (
	"context"
	"fmt"

	"github.com/cloudevents/sdk-go/v2/event"
	"github.com/engramd/engramd/policy"
)

// typePrefix is in front of an event's type in CloudEvents.
const typePrefix = "io.engramd."

// A webhook sends each event as a CloudEvent 1.0 in structured mode. Tries of one event share its id,
// so that a receiver can tell a repetition.
type webhook struct {
	poster *poster
	source string
}

func (w *webhook) deliver(ctx context.Context, e policy.Event) error {
	body, err := cloudEvent(e, w.source)
	if err != nil {
		return err
	}
	return w.poster.post(ctx, w.poster.url, event.ApplicationCloudEventsJSON+"; charset=utf-8", body)
}

// cloudEvent writes e as structured JSON. Only the SDK's event package is used: it knows the spec's
// rules for attributes; its HTTP client would bring a logger and a retry of its own.
func cloudEvent(e policy.Event, source string) ([]byte, error) {
	c := event.New(event.CloudEventsVersionV1)
	c.SetID(e.ID)
	c.SetSource("engramd://" + source)
	c.SetType(typePrefix + string(e.Type))
	c.SetTime(e.At.UTC())
	if e.Target != "" {
		subject := e.Target
		if e.Resource != "" {
			subject += "/" + string(e.Resource)
		}
		c.SetSubject(subject)
	}
	c.SetExtension("severity", string(e.Severity))
	if err := c.SetData(event.ApplicationJSON, e); err != nil {
		return nil, fmt.Errorf("cloudevent %s: %w", e.ID, err)
	}
	body, err := c.MarshalJSON()
	if err != nil {
		return nil, fmt.Errorf("cloudevent %s: %w", e.ID, err)
	}
	return body, nil
}
