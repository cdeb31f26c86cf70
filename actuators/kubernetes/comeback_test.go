package kubernetes_test

import (
	"errors"
	"io"
	"net/http"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/engramd/engramd/actuators"
	"github.com/engramd/engramd/actuators/kubernetes"
	"github.com/engramd/engramd/policy"
)

// answers is a server that gives one answer after the other; 0 is none.
type answers []int

func (a *answers) RoundTrip(*http.Request) (*http.Response, error) {
	status := (*a)[0]
	*a = (*a)[1:]
	if status == 0 {
		return nil, syscall.ECONNREFUSED
	}
	return &http.Response{StatusCode: status, Body: io.NopCloser(strings.NewReader("forbidden: no role yet"))}, nil
}

// An API server that comes back refuses everything at first.
func TestRefusalsAfterAnOutage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		rt := kubernetes.Comeback(&answers{403, 0, 403, 200, 503, 403, 403})
		ask := func() (int, error) {
			r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "https://model", nil)
			if err != nil {
				t.Fatal(err)
			}
			answer, err := rt.RoundTrip(r)
			if err != nil {
				return 0, err
			}
			defer answer.Body.Close()
			return answer.StatusCode, nil
		}
		believed := func(when string) {
			t.Helper()
			if status, err := ask(); status != http.StatusForbidden {
				t.Errorf("%s: %d, %v; want the refusal", when, status, err)
			}
		}
		doubted := func(when string) {
			t.Helper()
			if _, err := ask(); err == nil || !strings.Contains(err.Error(), "no role yet") {
				t.Errorf("%s: %v; want an error with the refusal in it", when, err)
			}
		}
		believed("a server that was never away")
		_, _ = ask() // it is away
		doubted("right after an outage")
		_, _ = ask() // well
		_, _ = ask() // 503
		doubted("right after a 503")
		time.Sleep(time.Minute)
		believed("long after")
	})
}

// What was allowed to be done may be undone, so a right that is missing then is waited for.
func TestUndoWaitsForItsRights(t *testing.T) {
	m := newModel(t)
	target := m.start(service{resources: ratio("100m", "200m")})
	plan := m.planned(target, cpu(400))
	m.must(m.do(target, plan))
	no := apierrors.NewForbidden(schema.GroupResource{Resource: "pods/resize"}, "web", errors.New(`User "engramd" cannot patch resource "pods/resize"`))
	m.faults = []fault{{call: "patch pods/resize", err: no}}
	m.wants(m.undo(target, plan), actuators.ErrTransient, "grant engramd that right")
	m.must(m.undo(target, plan))
	equal(t, "sizes", m.sizes(target, policy.CPU), []string{"200m"})
}
