package events

import (
	"context"
	"log/slog"

	"github.com/engramd/engramd/policy"
)

// A logger writes each event as one line of the log.
type logger struct{ log *slog.Logger }

func (l logger) deliver(ctx context.Context, e policy.Event) error {
	l.log.LogAttrs(ctx, level(e), message(e.Type), attributes(e)...)
	return nil
}

// level keeps the course of an action (steps, looks) out of a log that shows what is decided.
func level(e policy.Event) slog.Level {
	switch e.Severity {
	case policy.Critical:
		return slog.LevelError
	case policy.Warning:
		return slog.LevelWarn
	}
	if e.Type == policy.EventStep || e.Type == policy.EventValidate {
		return slog.LevelDebug
	}
	return slog.LevelInfo
}

// message is constant for each type, so that lines can be counted by it.
func message(t policy.EventType) string {
	switch t {
	case policy.EventState:
		return "action changed state"
	case policy.EventAgent:
		return "agent"
	}
	return string(t)
}

func attributes(e policy.Event) []slog.Attr {
	attrs := []slog.Attr{slog.String("text", e.Message)}
	add := func(key, value string) {
		if value != "" {
			attrs = append(attrs, slog.String(key, value))
		}
	}
	add("target", e.Target)
	add("resource", string(e.Resource))
	if !e.From.IsUnset() || !e.To.IsUnset() {
		add("from", e.Resource.Format(e.From))
		add("to", e.Resource.Format(e.To))
	}
	add("outcome", string(e.Outcome))
	add("action", e.Action)
	add("decision", e.Decision)
	return attrs
}
