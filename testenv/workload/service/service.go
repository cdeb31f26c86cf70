package service

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"runtime"
	"sync"
	"sync/atomic"
	"time"
)

// ErrCrash is what Run returns when the service crashes on command.
var ErrCrash = errors.New("crash on command")

// stopGrace is how long requests in flight may take once the service stops.
const stopGrace = 10 * time.Second

// A Service is one workload. It is safe for concurrent use.
type Service struct {
	config   Config
	log      *slog.Logger
	started  time.Time
	starts   atomic.Int64
	crash    context.CancelCauseFunc // set while Run runs
	stopping chan struct{}           // closed when the service begins to stop, so that endless answers end

	queue       *queue
	windows     map[string]*window // by operation
	ledger      *ledger
	maintenance *maintenance
	faults      faults
	hoard       hoard
	spinner     spinner
	demand      demand
	usage       usage
	lock        sync.Mutex   // what /lock fights for
	lockWaiters atomic.Int64 // requests that wait for it or hold it
	backup      atomic.Int64 // Unix time of the last backup; 0: never
}

// New makes a service; nothing runs yet, but its Handler already answers.
func New(config Config, log *slog.Logger) *Service {
	config.ensureDefaults()
	return &Service{
		config: config, log: log.With("component", "workload"), started: time.Now(),
		stopping: make(chan struct{}),
		queue:    newQueue(config.Workers, config.Queue),
		windows: map[string]*window{
			"spreading": {span: config.Window}, "write": {span: config.Window}, "lock": {span: config.Window},
		},
		ledger: newLedger(), maintenance: newMaintenance(time.Now),
	}
}

// Run serves until ctx ends or the service crashes on command; it then lets requests in flight finish. It can run once.
func (s *Service) Run(ctx context.Context) error {
	ctx, crash := context.WithCancelCause(ctx)
	defer crash(nil)
	s.crash = crash
	if err := s.prepare(); err != nil {
		return err
	}
	if s.config.Data != "" {
		lock, starts, err := claim(s.config.Data, s.describe())
		if err != nil {
			return err
		}
		defer lock.Close()
		s.starts.Store(int64(starts))
	}
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", s.config.Listen)
	if err != nil {
		return fmt.Errorf("listen: %w", err)
	}
	return s.serve(ctx, listener)
}

// prepare sets what belongs to the whole process.
func (s *Service) prepare() error {
	if s.config.Procs != ProcsAuto {
		runtime.GOMAXPROCS(s.config.Procs)
	}
	return s.hoard.set("hot", s.config.Memory)
}

func (s *Service) describe() Start {
	hostname, err := os.Hostname()
	if err != nil {
		hostname = "unknown"
	}
	return Start{At: time.Now(), Hostname: hostname, Cores: effectiveCores(), Memory: effectiveMemory()}
}

// serve answers on listener and joins everything that it started.
func (s *Service) serve(ctx context.Context, listener net.Listener) error {
	server := &http.Server{Handler: s.Handler(), ReadHeaderTimeout: 10 * time.Second}
	background, stop := context.WithCancel(context.WithoutCancel(ctx))
	var joined sync.WaitGroup
	defer joined.Wait()
	defer stop()
	defer s.spinner.set(0)
	joined.Go(func() { s.usage.run(background) })
	joined.Go(func() { s.watchCrash(background) })
	served := make(chan error, 1)
	joined.Go(func() { served <- server.Serve(listener) })
	s.log.Info("serving", "address", listener.Addr().String(), "starts", s.starts.Load(), "cores", effectiveCores())
	select {
	case err := <-served:
		return fmt.Errorf("serve: %w", err)
	case <-ctx.Done():
	}
	if cause := context.Cause(ctx); errors.Is(cause, ErrCrash) {
		return errors.Join(cause, server.Close())
	}
	s.delayStop()
	s.log.Info("stopping")
	close(s.stopping)
	grace, cancel := context.WithTimeout(background, stopGrace)
	defer cancel()
	if err := server.Shutdown(grace); err != nil {
		return errors.Join(fmt.Errorf("stop: %w", err), server.Close())
	}
	return nil
}

// delayStop keeps serving for a while after the order to stop, as a slow service does.
func (s *Service) delayStop() {
	if s.config.StopDelay > 0 {
		<-time.After(s.config.StopDelay)
	}
}

// watchCrash crashes the service once its condition holds.
func (s *Service) watchCrash(ctx context.Context) {
	if s.config.Crash == (Condition{}) {
		return
	}
	ticker := time.NewTicker(usageEvery)
	defer ticker.Stop()
	for {
		if s.config.Crash.holds(s.facts()) {
			s.crash(ErrCrash)
			return
		}
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
	}
}

func (s *Service) facts() facts {
	return facts{age: time.Since(s.started), starts: int(s.starts.Load()), cores: effectiveCores(), memory: effectiveMemory()}
}
