package api_test

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	promv1 "github.com/prometheus/client_golang/api/prometheus/v1"
	"github.com/prometheus/common/model"

	"github.com/engramd/engramd/agent/api"
)

// TestQueryIsPrometheusOwn asks a server that answers as Prometheus does, with the client's token.
func TestQueryIsPrometheusOwn(t *testing.T) {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Server", "engramd")
		if r.Header.Get("Authorization") != "Bearer let me in" {
			http.Error(w, "no", http.StatusUnauthorized)
			return
		}
		if r.URL.Path != "/api/v1/query_range" || r.FormValue("query") != "up" {
			http.Error(w, "what?", http.StatusBadRequest)
			return
		}
		_, _ = w.Write([]byte(`{"status":"success","data":{"resultType":"matrix","result":[{"metric":{"target":"web"},"values":[[1000,"1"]]}]}}`))
	}))
	defer srv.Close()
	ask := func(token string) (model.Value, error) {
		c, err := api.NewClient(api.ClientConfig{Addr: srv.URL, Token: token})
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		at := time.Unix(1000, 0)
		v, _, err := c.Query().QueryRange(t.Context(), "up", promv1.Range{Start: at, End: at.Add(time.Minute), Step: time.Minute})
		return v, err
	}
	v, err := ask("let me in")
	if m, ok := v.(model.Matrix); err != nil || !ok || len(m) != 1 || m[0].Metric["target"] != "web" {
		t.Errorf("got %v, %v", v, err)
	}
	if _, err := ask("wrong"); err == nil {
		t.Error("a wrong token was answered")
	} else if _, refused := errors.AsType[*api.Problem](err); !refused {
		t.Errorf("a wrong token: %v, want a *Problem", err)
	}
	srv.Close()
	if _, err := ask("let me in"); !errors.Is(err, api.ErrUnreachable) {
		t.Errorf("no server: %v, want ErrUnreachable", err)
	}
}
