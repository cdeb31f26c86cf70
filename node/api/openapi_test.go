package api_test

import (
	"bytes"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/engramd/engramd/node/api"
	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/getkin/kin-openapi/routers"
	"github.com/getkin/kin-openapi/routers/gorillamux"
)

func init() {
	openapi3filter.RegisterBodyDecoder("application/problem+json", openapi3filter.JSONBodyDecoder)
	openapi3filter.RegisterBodyDecoder("application/merge-patch+json", openapi3filter.JSONBodyDecoder)
	openapi3filter.RegisterBodyDecoder("application/x-ndjson", openapi3filter.PlainBodyDecoder)
}

// document reads the document that a node serves.
func (w *world) document() *openapi3.T {
	w.t.Helper()
	a := w.must(http.StatusOK, "GET", "/openapi.json", "")
	doc, err := openapi3.NewLoader().LoadFromData([]byte(a.body))
	if err != nil {
		w.t.Fatal(err)
	}
	return doc
}

func TestDocumentIsValid(t *testing.T) {
	w := begin(t, api.Options{Metrics: http.NotFoundHandler()})
	if err := w.document().Validate(t.Context()); err != nil { // and its examples
		t.Error(err)
	}
}

// methods are all that a path is asked with.
var methods = []string{"GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE"}

func TestDocumentAndHandlersAgree(t *testing.T) {
	w := begin(t, api.Options{})
	doc := w.document()
	for path, item := range doc.Paths.Map() {
		in := strings.NewReplacer("{id}", "nobody", "{name}", "nobody").Replace(path)
		for _, method := range methods {
			a := w.ask(method, in, "")
			there := item.GetOperation(method) != nil
			if refused := a.status == http.StatusMethodNotAllowed; refused == there {
				t.Errorf("%s %s: in the document: %v, answer %d", method, path, there, a.status)
			}
			if allow := a.header.Get("Allow"); a.status == http.StatusMethodNotAllowed {
				for _, m := range methods {
					if slices.Contains(strings.Split(allow, ", "), m) != (item.GetOperation(m) != nil) {
						t.Errorf("%s: Allow is %q", path, allow)
					}
				}
			}
		}
	}
}

// A checker validates every exchange of a test with the document.
type checker struct {
	t      *testing.T
	router routers.Router
}

func (w *world) check() *checker {
	doc := w.document()
	doc.Servers = openapi3.Servers{{URL: w.url}}
	r, err := gorillamux.NewRouter(doc)
	if err != nil {
		w.t.Fatal(err)
	}
	return &checker{w.t, r}
}

// exchange checks a request and its answer. Requests that are wrong on purpose are only looked at for their answer.
func (c *checker) exchange(r *http.Request, body string, a answer) {
	c.t.Helper()
	route, params, err := c.router.FindRoute(r)
	if err != nil {
		c.t.Errorf("%s %s is not in the document: %v", r.Method, r.URL, err)
		return
	}
	r.Body = io.NopCloser(strings.NewReader(body))
	in := &openapi3filter.RequestValidationInput{
		Request: r, PathParams: params, Route: route,
		Options: &openapi3filter.Options{IncludeResponseStatus: true, AuthenticationFunc: openapi3filter.NoopAuthenticationFunc},
	}
	if err := openapi3filter.ValidateRequest(c.t.Context(), in); err != nil && a.status < 300 {
		c.t.Errorf("%s %s %s: a request that was answered with %d is wrong by the document: %v", r.Method, r.URL, body, a.status, err)
	}
	err = openapi3filter.ValidateResponse(c.t.Context(), &openapi3filter.ResponseValidationInput{
		RequestValidationInput: in, Status: a.status, Header: a.header, Body: io.NopCloser(bytes.NewReader([]byte(a.body))), Options: in.Options,
	})
	if err != nil {
		c.t.Errorf("%s %s: the answer %d is wrong by the document: %v\n%s", r.Method, r.URL, a.status, err, a.body)
	}
}
