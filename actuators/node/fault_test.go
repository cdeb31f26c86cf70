package node_test

import (
	"net/http"
	"net/http/httptest"
	"testing"
)

// notANode is where something else answers.
func notANode(t *testing.T) string {
	t.Helper()
	s := httptest.NewServer(http.NotFoundHandler())
	t.Cleanup(s.Close)
	return s.URL
}
