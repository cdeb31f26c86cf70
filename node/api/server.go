package api

import (
	"log/slog"
	"net/http"
	"time"
)

// Limits are what connections may take. Zero values are defaults.
type Limits struct {
	// Connections that may be open at once; 4,096. At the limit the one that has been idle the longest makes room for a new one; if all
	// are busy the new one gets 503.
	Connections int
	// HeaderTime is how long the header of a request may take to come; 10 s.
	HeaderTime time.Duration
	// ReadTime is how long a request may take to come, or a chunk of a long one; 30 s.
	ReadTime time.Duration
	// WriteTime is how long a request may take to come and be answered, or a chunk of a long answer to be taken; 100 s.
	WriteTime time.Duration
	// IdleTime is how long a connection may do nothing; 2 min.
	IdleTime time.Duration
	Logger   *slog.Logger
}

const maxHeaderBytes = 32 << 10

func (l Limits) withDefaults() Limits {
	def := func(d *time.Duration, otherwise time.Duration) {
		if *d <= 0 {
			*d = otherwise
		}
	}
	def(&l.HeaderTime, 10*time.Second)
	def(&l.ReadTime, stallTime)
	def(&l.WriteTime, maxTimeout+40*time.Second)
	def(&l.IdleTime, 2*time.Minute)
	if l.Connections <= 0 {
		l.Connections = 4096
	}
	if l.Logger == nil {
		l.Logger = slog.New(slog.DiscardHandler)
	}
	return l
}

// stallTime is how long a stream may make no progress.
const stallTime = 30 * time.Second

// Server returns a server for h (an [API], or what has one in it) that slow clients and large headers cannot take down.
func Server(h http.Handler, l Limits) *http.Server {
	l = l.withDefaults()
	return &http.Server{
		Handler: h, ReadHeaderTimeout: l.HeaderTime, ReadTimeout: l.ReadTime, WriteTimeout: l.WriteTime, IdleTimeout: l.IdleTime,
		MaxHeaderBytes: maxHeaderBytes, ConnState: newConns(l.Connections).changed, ErrorLog: slog.NewLogLogger(l.Logger.Handler(), slog.LevelDebug),
	}
}
