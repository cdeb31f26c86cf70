package kubernetes_test

import (
	"io"
	"net/http"
	"testing"

	"k8s.io/client-go/rest"
)

// get asks a server of the cluster with somebody's access.
func get(t *testing.T, config *rest.Config, url string) (body string, status int) {
	t.Helper()
	transport, err := rest.TransportFor(config)
	if err != nil {
		t.Fatal(err)
	}
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	answer, err := transport.RoundTrip(request)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	content, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(content), answer.StatusCode
}
