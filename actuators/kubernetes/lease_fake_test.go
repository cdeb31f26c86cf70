package kubernetes

import (
	"context"
	"errors"
	"strconv"
	"sync"
	"time"

	coordination "k8s.io/api/coordination/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
)

var leaseResource = schema.GroupResource{Group: "coordination.k8s.io", Resource: "leases"}

// leaseServer is an API server that has Leases only, with its optimistic locking.
type leaseServer struct {
	mu      sync.Mutex
	all     map[string]*coordination.Lease
	version int
	writes  int
	slow    time.Duration // before an answer
	lose    bool          // carry the next change out and lose the answer
	away    bool
}

func newLeaseServer() *leaseServer { return &leaseServer{all: make(map[string]*coordination.Lease)} }

func (s *leaseServer) set(change func(*leaseServer)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	change(s)
}

func (s *leaseServer) the(name string) *coordination.Lease {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.all[name].DeepCopy()
}

func (s *leaseServer) wrote() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.writes
}

var errAway = &timeoutError{}

type timeoutError struct{}

func (*timeoutError) Error() string   { return "connection refused" }
func (*timeoutError) Timeout() bool   { return false }
func (*timeoutError) Temporary() bool { return true }

// wait is the way to the server.
func (s *leaseServer) wait(ctx context.Context) error {
	s.mu.Lock()
	slow, away := s.slow, s.away
	s.mu.Unlock()
	if away {
		return errAway
	}
	select {
	case <-time.After(slow):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (s *leaseServer) Get(ctx context.Context, name string, _ metav1.GetOptions) (*coordination.Lease, error) {
	if err := s.wait(ctx); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	l, ok := s.all[name]
	if !ok {
		return nil, apierrors.NewNotFound(leaseResource, name)
	}
	return l.DeepCopy(), nil
}

func (s *leaseServer) Create(ctx context.Context, l *coordination.Lease, _ metav1.CreateOptions) (*coordination.Lease, error) {
	return s.write(ctx, l.Name, func(now *coordination.Lease) (*coordination.Lease, error) {
		if now != nil {
			return nil, apierrors.NewAlreadyExists(leaseResource, l.Name)
		}
		next := l.DeepCopy()
		next.UID = types.UID("uid-" + strconv.Itoa(s.version))
		return next, nil
	})
}

func (s *leaseServer) Update(ctx context.Context, l *coordination.Lease, _ metav1.UpdateOptions) (*coordination.Lease, error) {
	return s.write(ctx, l.Name, func(now *coordination.Lease) (*coordination.Lease, error) {
		switch {
		case now == nil:
			return nil, apierrors.NewNotFound(leaseResource, l.Name)
		case now.UID != l.UID || now.ResourceVersion != l.ResourceVersion:
			return nil, apierrors.NewConflict(leaseResource, l.Name, errors.New("the object has been modified"))
		}
		return l.DeepCopy(), nil
	})
}

func (s *leaseServer) Delete(ctx context.Context, name string, o metav1.DeleteOptions) error {
	_, err := s.write(ctx, name, func(now *coordination.Lease) (*coordination.Lease, error) {
		switch p := o.Preconditions; {
		case now == nil:
			return nil, apierrors.NewNotFound(leaseResource, name)
		case p != nil && (p.UID != nil && *p.UID != now.UID || p.ResourceVersion != nil && *p.ResourceVersion != now.ResourceVersion):
			return nil, apierrors.NewConflict(leaseResource, name, errors.New("precondition failed"))
		}
		return nil, nil
	})
	return err
}

func (s *leaseServer) write(ctx context.Context, name string, change func(now *coordination.Lease) (*coordination.Lease, error)) (*coordination.Lease, error) {
	if err := s.wait(ctx); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	next, err := change(s.all[name])
	if err != nil {
		return nil, err
	}
	s.version++
	s.writes++
	if next == nil {
		delete(s.all, name)
	} else {
		next.ResourceVersion = strconv.Itoa(s.version)
		s.all[name] = next
	}
	if s.lose {
		s.lose = false
		return nil, errAway
	}
	return next.DeepCopy(), nil
}

// edit changes a Lease as somebody else would.
func (s *leaseServer) edit(name string, change func(*coordination.Lease)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.version++
	change(s.all[name])
	s.all[name].ResourceVersion = strconv.Itoa(s.version)
}
