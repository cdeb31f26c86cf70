package api

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"time"
)

// A Config says where the API listens and who may use it.
type Config struct {
	// Addr is what was configured to listen on: host:port, or unix:///path.
	Addr string
	// TokenFile holds bearer tokens, one a line as name:role:token; "" for none.
	TokenFile string
	// OwnToken is one more token, with every right: of a program that serves something and uses it itself.
	OwnToken string
	// CertFile and KeyFile serve TLS; ClientCAFile lets in clients with a certificate of its CAs.
	CertFile, KeyFile, ClientCAFile string
	// Insecure allows to listen beyond loopback without tokens or client certificates.
	Insecure bool
	// Hosts are names, beside addresses, localhost and this machine's, under which browsers may reach
	// the API where it asks for no token.
	Hosts []string
}

// Mounts are the handlers that the server shows beside its own. A nil one is not there.
type Mounts struct {
	Metrics    http.Handler // at /metrics
	Prometheus http.Handler // at /api/v1/, the path included: the query API
	Console    http.Handler // at /
}

// A Server serves the API.
type Server struct {
	*Gate
	backend Backend
	handler http.Handler
}

// New makes a server. It refuses to be open to other machines without access control, and reads the
// token file and the certificates, so that a fault in them shows at once.
func New(cfg Config, b Backend, m Mounts, log *slog.Logger) (*Server, error) {
	gate, err := NewGate(cfg, log)
	if err != nil {
		return nil, err
	}
	s := &Server{Gate: gate, backend: b}
	s.handler = s.limited(s.routes(m))
	return s, nil
}

// Handler is the whole API, for tests and for other listeners.
func (s *Server) Handler() http.Handler { return s.handler }

// Run serves on ln until ctx ends, lets what is under way finish for a few seconds, and joins
// everything it started. It closes ln. See [Listen].
func (s *Server) Run(ctx context.Context, ln net.Listener) error {
	return Serve(ctx, ln, s.handler, s.tls, s.log)
}

// What a client may take. Long answers are bounded by the time to write them, not by their size.
const (
	headerTime    = 10 * time.Second
	readTime      = 30 * time.Second
	writeTime     = 3 * time.Minute
	idleTime      = 2 * time.Minute
	farewell      = 3 * time.Second // for what is under way at the end
	maxHeaderSize = 32 << 10
	maxConns      = 512
)

// Serve serves h on ln with the same bounds as the API, until ctx ends: for listen.metrics with
// [Probes]. It closes ln and joins everything it started.
func Serve(ctx context.Context, ln net.Listener, h http.Handler, secure *tls.Config, log *slog.Logger) error {
	return RunServer(ctx, &http.Server{
		Handler: h, TLSConfig: secure,
		ReadHeaderTimeout: headerTime, ReadTimeout: readTime, WriteTimeout: writeTime, IdleTimeout: idleTime,
		MaxHeaderBytes: maxHeaderSize,
		ErrorLog:       slog.NewLogLogger(log.Handler(), slog.LevelDebug),
	}, limitConns(ln, maxConns), farewell)
}

// RunServer has srv serve on ln, with TLS if it has a configuration for it, until ctx ends. What is under
// way then gets the time of farewell: half of it in peace, then its context ends. It closes ln and joins
// everything it started.
func RunServer(ctx context.Context, srv *http.Server, ln net.Listener, farewell time.Duration) error {
	// Requests live on for a moment after ctx, and end with srv.
	base, stop := context.WithCancelCause(context.WithoutCancel(ctx))
	defer stop(errStopping)
	srv.BaseContext = func(net.Listener) context.Context { return base }
	ended := make(chan error, 1)
	go func() {
		if srv.TLSConfig != nil {
			ended <- srv.ServeTLS(ln, "", "")
		} else {
			ended <- srv.Serve(ln)
		}
	}()
	select {
	case err := <-ended:
		return fmt.Errorf("api: serve on %s: %w", ln.Addr(), errors.Join(err, srv.Close()))
	case <-ctx.Done():
	}
	return shutdown(srv, farewell, stop, ended)
}

// errStopping is the cause of requests that end because the agent does.
var errStopping = errors.New("engramd is stopping")

// shutdown ends srv: first kindly, then by cancelling what is under way, then by closing.
func shutdown(srv *http.Server, farewell time.Duration, stop context.CancelCauseFunc, ended <-chan error) error {
	patience, done := context.WithTimeout(context.Background(), farewell)
	defer done()
	halfway := time.AfterFunc(farewell/2, func() { stop(errStopping) })
	defer halfway.Stop()
	err := srv.Shutdown(patience)
	if errors.Is(err, context.DeadlineExceeded) {
		err = srv.Close()
	}
	<-ended
	if err != nil {
		return fmt.Errorf("api: stop: %w", err)
	}
	return nil
}
