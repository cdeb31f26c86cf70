package demo

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"github.com/engramd/engramd/agent"
	"github.com/engramd/engramd/agent/api"
	"github.com/engramd/engramd/agent/nodehost"
	nodeapi "github.com/engramd/engramd/node/api"
)

// A backend is what the demo looks at: the agent, as its API shows it.
type backend interface {
	Status(ctx context.Context) (api.Status, error)
	Actions(ctx context.Context, q api.ActionQuery) ([]api.ActionView, error)
	Plan(ctx context.Context, target string) ([]api.PlanView, error)
	Explain(ctx context.Context, id string) (api.Explanation, error)
}

// A stage is a running agent with its node, and the crowd in front of it.
type stage struct {
	place *place
	agent *agent.Agent
	crowd *crowd
	log   *os.File
	url   string // of the node
	cores int    // that spreads can use, once it is prepared

	stop  context.CancelFunc
	ended chan struct{}
	died  error // of the agent, once ended is closed
}

const (
	// spreadingCores is how many cores are there for spreads: as many as the first growth needs.
	spreadingCores = 2
	// goThreads is how many threads run Go code at least. More than there are workers, so that who asks, who
	// answers and who measures always come to their turn beside them: the kernel is fairer than Go.
	goThreads = 8
)

// errEnded goes before what the agent ended with, which close tells.
var errEnded = errors.New("the demo's agent ended before the demo")

// openStage starts the agent with its node in p. It decides nothing before prepare has returned.
func openStage(ctx context.Context, o Options, p *place) (s *stage, err error) {
	s = &stage{place: p, ended: make(chan struct{})}
	defer func() {
		if err != nil {
			err = errors.Join(err, s.close())
		}
	}()
	if s.log, err = os.Create(filepath.Join(p.Dir, "agent.log")); err != nil {
		return s, fmt.Errorf("make the agent's log: %w", err)
	}
	log := slog.New(slog.NewTextHandler(s.log, nil))
	cfg, err := p.configuration(o.Registry)
	if err != nil {
		return s, err
	}
	memory, err := nodehost.Prepare(cfg.Node, log)
	if err != nil {
		return s, err
	}
	s.agent, err = agent.New(agent.Options{
		Config: cfg, Registry: o.Registry, Version: o.Version, Memory: memory, Log: log, LockDir: filepath.Join(p.Dir, "locks"),
	})
	if err != nil {
		return s, fmt.Errorf("start the demo's agent: %w", err)
	}
	s.url = fmt.Sprintf("http://127.0.0.1:%d", p.NodePort)
	if s.crowd, err = newCrowd(s.url); err != nil {
		return s, err
	}
	running, stop := context.WithCancel(context.WithoutCancel(ctx)) // it ends after the crowd
	s.stop = stop
	go func() {
		defer close(s.ended)
		s.died = s.agent.Run(running)
	}()
	return s, nil
}

// close ends everything, in the order in which it depends on one another.
func (s *stage) close() error {
	var errs []error
	if s.crowd != nil {
		s.crowd.close()
	}
	if s.stop != nil {
		s.stop()
		<-s.ended
		errs = append(errs, s.died)
	}
	if s.agent != nil {
		errs = append(errs, s.agent.Close())
	}
	if s.log != nil {
		errs = append(errs, s.log.Close())
	}
	return errors.Join(errs...)
}

// prepare makes the node what the demo begins with: old memories in cold tiers, one worker, two processors.
// Meanwhile the agent is paused, so that it does not begin to help.
func (s *stage) prepare(ctx context.Context, note func(string)) error {
	if err := s.ready(ctx); err != nil {
		return err
	}
	if _, err := s.agent.Pause(ctx, api.PauseRequest{Reason: "the demo is being prepared"}); err != nil {
		return fmt.Errorf("pause the agent: %w", err)
	}
	note(fmt.Sprintf("Importing %d memories with %d edges each ...", memories, degree))
	if err := s.crowd.fill(ctx, time.Now()); err != nil {
		return err
	}
	if _, err := s.crowd.node.EvictNow(ctx); err != nil {
		return fmt.Errorf("put the first memories in their tiers: %w", err)
	}
	var err error
	if s.cores, err = dedicate(ctx, s.crowd.node); err != nil {
		return err
	}
	note("Finding out how large a spread keeps one worker busy here ...")
	return s.crowd.measure(ctx)
}

// ready waits until the node answers and the agent has looked at it once.
func (s *stage) ready(ctx context.Context) error {
	patience, cancel := context.WithTimeoutCause(ctx, 20*time.Second, errors.New("it took longer than 20s"))
	defer cancel()
	for {
		_, err := s.crowd.node.Health(patience)
		if err == nil {
			err = s.agent.Ready(patience)
		}
		if err == nil {
			return nil
		}
		select {
		case <-s.ended:
			return errEnded
		case <-patience.Done():
			if ctx.Err() != nil {
				return context.Cause(ctx)
			}
			return fmt.Errorf("wait for the demo's agent: %w: %w", context.Cause(patience), err)
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// dedicate gives spreads cores of their own, two where there are two, and one worker for the beginning. Where
// there are more cores, they are for everything else. It returns how many cores spreads can use: where workers
// cannot be bound to cores (a sandbox), that is all of them.
func dedicate(ctx context.Context, node *nodeapi.Client) (int, error) {
	now, err := node.Threading(ctx)
	if err != nil {
		return 0, fmt.Errorf("ask the node for its cores: %w", err)
	}
	all := now.Topology.Allowed
	n := min(spreadingCores, len(all))
	own, rest := all[:n], all[n:]
	change := nodeapi.ThreadingChange{
		SpreadingWorkers: new(1), SpreadingCores: &own, APICores: &rest, PinThreads: new(true), GOMAXPROCS: new(max(goThreads, len(all))),
	}
	_, pinned := node.ChangeThreading(ctx, change)
	if pinned == nil {
		return n, nil
	}
	_, err = node.ChangeThreading(ctx, nodeapi.ThreadingChange{SpreadingWorkers: change.SpreadingWorkers, GOMAXPROCS: change.GOMAXPROCS})
	if err != nil {
		return 0, fmt.Errorf("dedicate cores to spreading: %w", errors.Join(pinned, err))
	}
	return len(all), nil
}
