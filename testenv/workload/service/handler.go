package service

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/url"
	"strconv"
	"time"
)

// statusClientGone is what a request counts as whose client hung up before the answer.
const statusClientGone = 499

// Handler routes what the package comment lists.
func (s *Service) Handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("/work", s.operation("spreading", "read"))
	mux.HandleFunc("POST /write", s.operation("write", "write"))
	mux.HandleFunc("/lock", s.passLock)
	mux.HandleFunc("/sync", s.waitForDisk)
	mux.HandleFunc("GET /health", s.health)
	mux.HandleFunc("GET /metrics", s.metrics)
	mux.HandleFunc("POST /api/v1/admin/maintenance/enable", s.changeMaintenance)
	mux.HandleFunc("POST /api/v1/admin/maintenance/disable", s.changeMaintenance)
	mux.HandleFunc("GET /api/v1/admin/maintenance", s.showMaintenance)
	s.controls(mux)
	return mux
}

// operation serves one kind of request: admitted, queued, burnt, measured.
func (s *Service) operation(name, kind string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		cpu, err := duration(r.URL.Query(), "cpu")
		if err != nil {
			problem(w, http.StatusBadRequest, err.Error())
			return
		}
		if !s.maintenance.admit(kind) {
			w.Header().Set("Retry-After", "1")
			s.ledger.observe(name, http.StatusServiceUnavailable, 0)
			problem(w, http.StatusServiceUnavailable, "maintenance is on: new writes are refused")
			return
		}
		defer s.maintenance.finish(kind)
		s.measure(w, r, name, func(ctx context.Context) error {
			if err := s.queue.enter(ctx); err != nil {
				return err
			}
			defer s.queue.leave()
			burn(ctx, cpu)
			return ctx.Err()
		})
	}
}

// passLock holds the one lock of the process, however many cores it has.
func (s *Service) passLock(w http.ResponseWriter, r *http.Request) {
	hold, err := duration(r.URL.Query(), "hold")
	cpu, err2 := duration(r.URL.Query(), "cpu")
	if err := errors.Join(err, err2); err != nil {
		problem(w, http.StatusBadRequest, err.Error())
		return
	}
	s.measure(w, r, "lock", func(ctx context.Context) error {
		s.lockWaiters.Add(1)
		defer s.lockWaiters.Add(-1)
		s.lock.Lock()
		defer s.lock.Unlock()
		burn(ctx, cpu)
		select {
		case <-time.After(hold):
		case <-ctx.Done():
		}
		return ctx.Err()
	})
}

// measure does the work, answers, and counts the request. A client that gave up counts as failed and with the time that
// it waited: otherwise an overloaded service would look fast.
func (s *Service) measure(w http.ResponseWriter, r *http.Request, name string, work func(context.Context) error) {
	arrived := time.Now()
	code := http.StatusOK
	switch err := work(r.Context()); {
	case errors.Is(err, errQueueFull):
		code = http.StatusTooManyRequests
	case err != nil:
		code = statusClientGone
	default:
		if _, _, _, share := s.faults.now(); share > 0 && rand.Float64() < share {
			code = http.StatusInternalServerError
		}
	}
	took := time.Since(arrived)
	s.ledger.observe(name, code, took)
	s.windows[name].add(outcome{at: time.Now(), took: took, failed: code != http.StatusOK})
	if code != http.StatusOK {
		problem(w, code, http.StatusText(code))
		return
	}
	fmt.Fprintln(w, "done")
}

func (s *Service) health(w http.ResponseWriter, _ *http.Request) {
	failing, _, _, _ := s.faults.now()
	if failing || s.config.Unhealthy.holds(s.facts()) {
		problem(w, http.StatusServiceUnavailable, "unhealthy on command")
		return
	}
	answer(w, http.StatusOK, map[string]any{"status": "ok", "maintenance": s.maintenance.get().Enabled})
}

func duration(query url.Values, key string) (time.Duration, error) {
	text := query.Get(key)
	if text == "" {
		return 0, nil
	}
	d, err := time.ParseDuration(text)
	if err != nil || d < 0 {
		return 0, fmt.Errorf("%s=%s: want a duration such as 5ms", key, strconv.Quote(text))
	}
	return d, nil
}

// problem answers with an RFC 9457 problem document.
func problem(w http.ResponseWriter, status int, detail string) {
	w.Header().Set("Content-Type", "application/problem+json")
	write(w, status, map[string]any{"title": http.StatusText(status), "status": status, "detail": detail})
}

func answer(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json")
	write(w, status, body)
}

// write ends an answer. A client that is gone has nobody left to tell.
func write(w http.ResponseWriter, status int, body any) {
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body)
}
