package telemetry

import (
	"context"
	"log/slog"
)

// quiet keeps Prometheus' libraries to warnings: what they tell about their daily work is not the
// agent's.
func quiet(log *slog.Logger) *slog.Logger { return slog.New(&atLeast{log.Handler(), slog.LevelWarn}) }

// quieter keeps them to errors: the scrape manager warns at every scrape of what the agent says once.
func quieter(log *slog.Logger) *slog.Logger {
	return slog.New(&atLeast{log.Handler(), slog.LevelError})
}

// discardLog is for what has nothing to say.
var discardLog = slog.New(slog.DiscardHandler)

// atLeast drops log records below a level.
type atLeast struct {
	slog.Handler
	level slog.Level
}

func (a *atLeast) Enabled(ctx context.Context, l slog.Level) bool {
	return l >= a.level && a.Handler.Enabled(ctx, l)
}

func (a *atLeast) WithAttrs(attrs []slog.Attr) slog.Handler {
	return &atLeast{a.Handler.WithAttrs(attrs), a.level}
}

func (a *atLeast) WithGroup(name string) slog.Handler {
	return &atLeast{a.Handler.WithGroup(name), a.level}
}
