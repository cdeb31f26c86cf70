package service

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"time"
)

// maxBody bounds what a maintenance request may send.
const maxBody = 64 << 10

// controls routes the endpoints by which a test steers the service.
func (s *Service) controls(mux *http.ServeMux) {
	for path, change := range map[string]func(url.Values) error{
		"/spin": s.spin, "/demand": s.want, "/memory": s.memory, "/cache": s.cache, "/fail": s.fail, "/snapshot": s.snapshot,
	} {
		mux.HandleFunc(path, func(w http.ResponseWriter, r *http.Request) {
			if err := change(r.URL.Query()); err != nil {
				problem(w, http.StatusBadRequest, err.Error())
				return
			}
			s.log.Info("changed on command", "path", path, "query", r.URL.RawQuery)
			fmt.Fprintln(w, "done")
		})
	}
}

func (s *Service) spin(query url.Values) error {
	if query.Has("off") {
		s.spinner.set(0)
		return nil
	}
	threads := 1
	if text := query.Get("threads"); text != "" {
		n, err := strconv.Atoi(text)
		if err != nil || n < 1 || n > 1024 {
			return fmt.Errorf("threads=%q: want 1 to 1024", text)
		}
		threads = n
	}
	if !query.Has("on") {
		return errors.New("want ?on or ?off")
	}
	s.spinner.set(threads)
	return nil
}

// want has the service want so many cores, evenly: /demand?cores=0.75.
func (s *Service) want(query url.Values) error {
	cores, err := strconv.ParseFloat(query.Get("cores"), 64)
	if err != nil || !(cores >= 0 && cores <= demandThreads) {
		return fmt.Errorf("cores=%q: want 0 to %d", query.Get("cores"), demandThreads)
	}
	s.demand.set(cores)
	return nil
}

func (s *Service) memory(query url.Values) error {
	if query.Has("free") {
		return s.hoard.free()
	}
	bytes, err := ParseBytes(query.Get("bytes"))
	if err != nil {
		return err
	}
	tier := query.Get("tier")
	if tier == "" {
		tier = "hot"
	}
	return s.hoard.set(tier, bytes)
}

func (s *Service) cache(query url.Values) error {
	dir := s.config.Data
	if dir == "" {
		dir = os.TempDir()
		if err := os.MkdirAll(dir, 0o700); err != nil { // an image from scratch has none
			return fmt.Errorf("fill the page cache: %w", err)
		}
	}
	if query.Has("free") {
		return setPageCache(dir, 0)
	}
	bytes, err := ParseBytes(query.Get("bytes"))
	if err != nil {
		return err
	}
	return setPageCache(dir, bytes)
}

func (s *Service) fail(query url.Values) error {
	var faults []error
	s.faults.mu.Lock()
	defer s.faults.mu.Unlock()
	for key, values := range query {
		var err error
		switch value := values[0]; key {
		case "health":
			s.faults.health = value == "on"
		case "metrics":
			s.faults.metrics, err = mode(value, metricsModes)
		case "maintenance":
			s.faults.maintenance, err = mode(value, maintenanceModes)
		case "errors":
			s.faults.errors, err = strconv.ParseFloat(value, 64)
		case "crash":
			if s.crash == nil {
				err = errors.New("nothing to crash: the service is not running")
			} else {
				s.crash(ErrCrash)
			}
		default:
			err = errors.New("unknown fault")
		}
		if err != nil {
			faults = append(faults, fmt.Errorf("%s: %w", key, err))
		}
	}
	return errors.Join(faults...)
}

func (s *Service) snapshot(query url.Values) error {
	age, err := duration(query, "age")
	if err == nil {
		s.backup.Store(time.Now().Add(-age).Unix())
	}
	return err
}

// changeMaintenance serves both enable and disable.
func (s *Service) changeMaintenance(w http.ResponseWriter, r *http.Request) {
	if s.failMaintenance(w, r) {
		return
	}
	owner, ttl, err := readOwner(http.MaxBytesReader(w, r.Body, maxBody))
	if err != nil {
		problem(w, http.StatusBadRequest, err.Error())
		return
	}
	var status Status
	if r.URL.Path == "/api/v1/admin/maintenance/enable" {
		status, err = s.maintenance.enable(owner, ttl)
	} else {
		status, err = s.maintenance.disable(owner)
	}
	if err != nil {
		problem(w, http.StatusConflict, err.Error()+" ("+status.Owner+")")
		return
	}
	s.log.Info("maintenance", "enabled", status.Enabled, "owner", status.Owner)
	answer(w, http.StatusOK, status)
}

func (s *Service) showMaintenance(w http.ResponseWriter, r *http.Request) {
	if !s.failMaintenance(w, r) {
		answer(w, http.StatusOK, s.maintenance.get())
	}
}

// failMaintenance misbehaves on command and tells whether it did.
func (s *Service) failMaintenance(w http.ResponseWriter, r *http.Request) bool {
	_, _, fault, _ := s.faults.now()
	switch fault {
	case "500":
		problem(w, http.StatusInternalServerError, "maintenance fails on command")
	case "hang":
		s.hang(r.Context())
	}
	return fault != ""
}

// hang waits until the client has given up or the service stops.
func (s *Service) hang(ctx context.Context) {
	select {
	case <-ctx.Done():
	case <-s.stopping:
	}
}

// readOwner decodes the optional body {"owner": "engramd", "ttl": "60s"}; a ttl may also be a number of seconds.
func readOwner(body io.Reader) (owner string, ttl time.Duration, err error) {
	var request struct {
		Owner string          `json:"owner"`
		TTL   json.RawMessage `json:"ttl"`
	}
	if err := json.NewDecoder(body).Decode(&request); err != nil && !errors.Is(err, io.EOF) {
		return "", 0, fmt.Errorf("decode the body: %w", err)
	}
	if len(request.TTL) == 0 {
		return request.Owner, 0, nil
	}
	var text string
	if json.Unmarshal(request.TTL, &text) == nil {
		ttl, err = time.ParseDuration(text)
	} else {
		var seconds float64
		err = json.Unmarshal(request.TTL, &seconds)
		ttl = time.Duration(seconds * float64(time.Second))
	}
	if err != nil || ttl < 0 {
		return "", 0, fmt.Errorf("ttl %s: want a duration such as \"60s\"", request.TTL)
	}
	return request.Owner, ttl, nil
}
