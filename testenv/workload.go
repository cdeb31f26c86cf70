package testenv

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
)

// A Workload steers a running workload from a test. URL is its base, such as http://127.0.0.1:20123.
type Workload struct {
	URL string
}

// StartWorkload runs the workload as a plain process on loopback, with WORKLOAD_* variables on top. It ends with the test.
func StartWorkload(t testing.TB, env map[string]string) Workload {
	t.Helper()
	listen := fmt.Sprintf("127.0.0.1:%d", Port(t))
	all := map[string]string{"WORKLOAD_LISTEN": listen}
	maps.Copy(all, env)
	cmd := exec.Command(Build(t, "testenv/workload"))
	cmd.Env = os.Environ()
	for key, value := range all {
		cmd.Env = append(cmd.Env, key+"="+value)
	}
	log, err := os.Create(filepath.Join(Artifacts(t), "workload.log"))
	if err != nil {
		t.Fatalf("testenv: %v", err)
	}
	defer log.Close()
	cmd.Stdout, cmd.Stderr = log, log
	if err := cmd.Start(); err != nil {
		t.Fatalf("testenv: start the workload: %v", err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGTERM) // it may have crashed on command
		_ = cmd.Wait()
	})
	w := Workload{URL: "http://" + listen}
	Eventually(t, 10*time.Second, "the workload is healthy", func() bool { return w.Healthy() })
	return w
}

// Healthy tells whether /health answers with 200.
func (w Workload) Healthy() bool {
	status, _, err := w.request("GET", "/health", "")
	return err == nil && status == http.StatusOK
}

// Do sends a command such as "/spin?on" or "/memory?bytes=64Mi" and fails the test unless it is done.
func (w Workload) Do(t testing.TB, command string) {
	t.Helper()
	if status, text, err := w.request("GET", command, ""); err != nil || status != http.StatusOK {
		t.Fatalf("testenv: workload %s: %d, %v: %s", command, status, err, text)
	}
}

// Kill sends a command that the workload does not survive, such as "/fail?crash=on", and fails the test if it is refused.
func (w Workload) Kill(t testing.TB, command string) {
	t.Helper()
	if status, _, err := w.request("GET", command, ""); err == nil && status != http.StatusOK {
		t.Fatalf("testenv: workload %s: %d", command, status)
	}
}

// A Maintenance is the workload's answer about its maintenance mode.
type Maintenance struct {
	Enabled        bool      `json:"enabled"`
	Owner          string    `json:"owner"`
	Since          time.Time `json:"since"`
	ExpiresAt      time.Time `json:"expires_at"`
	InFlightWrites int       `json:"in_flight_writes"`
}

// Maintenance asks for the maintenance mode.
func (w Workload) Maintenance(t testing.TB) Maintenance {
	t.Helper()
	return w.maintenance(t, "GET", "", "")
}

// SetMaintenance switches maintenance as a person (owner "") or as someone else would.
func (w Workload) SetMaintenance(t testing.TB, on bool, owner string) Maintenance {
	t.Helper()
	path, body := "/disable", ""
	if on {
		path = "/enable"
	}
	if owner != "" {
		body = fmt.Sprintf(`{"owner": %q}`, owner)
	}
	return w.maintenance(t, "POST", path, body)
}

func (w Workload) maintenance(t testing.TB, method, path, body string) Maintenance {
	t.Helper()
	status, text, err := w.request(method, "/api/v1/admin/maintenance"+path, body)
	var m Maintenance
	if err == nil && status == http.StatusOK {
		err = json.Unmarshal(text, &m)
	}
	if err != nil || status != http.StatusOK {
		t.Fatalf("testenv: maintenance%s: %d, %v: %s", path, status, err, text)
	}
	return m
}

// Metric returns the sum of a family's samples whose labels contain the given pairs ("tier", "hot"); ok is false where
// there is none. It fails the test if /metrics is no Prometheus text.
func (w Workload) Metric(t testing.TB, name string, labels ...string) (value float64, ok bool) {
	t.Helper()
	status, text, err := w.request("GET", "/metrics", "")
	if err != nil || status != http.StatusOK {
		t.Fatalf("testenv: /metrics: %d, %v", status, err)
	}
	parser := expfmt.NewTextParser(model.LegacyValidation)
	families, err := parser.TextToMetricFamilies(bytes.NewReader(text))
	if err != nil {
		t.Fatalf("testenv: /metrics: %v", err)
	}
	for _, m := range families[name].GetMetric() {
		if hasLabels(m, labels) {
			value += m.GetGauge().GetValue() + m.GetCounter().GetValue() + m.GetUntyped().GetValue()
			ok = true
		}
	}
	return value, ok
}

func hasLabels(m *dto.Metric, want []string) bool {
	have := map[string]string{}
	for _, pair := range m.GetLabel() {
		have[pair.GetName()] = pair.GetValue()
	}
	for i := 0; i+1 < len(want); i += 2 {
		if have[want[i]] != want[i+1] {
			return false
		}
	}
	return true
}

// request talks to the workload with a connection and a deadline of its own, and reads a bounded answer.
func (w Workload) request(method, path, body string) (status int, text []byte, err error) {
	ctx, cancel := context.WithTimeout(context.Background(), Patience(10*time.Second))
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, method, w.URL+path, strings.NewReader(body))
	if err != nil {
		return 0, nil, err
	}
	transport := &http.Transport{DisableKeepAlives: true}
	defer transport.CloseIdleConnections()
	answer, err := transport.RoundTrip(request)
	if err != nil {
		return 0, nil, err
	}
	defer answer.Body.Close()
	text, err = io.ReadAll(io.LimitReader(answer.Body, 1<<20))
	return answer.StatusCode, text, err
}
