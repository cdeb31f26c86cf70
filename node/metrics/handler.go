package metrics

import (
	"bytes"
	"mime"
	"net/http"
	"strconv"
	"strings"

	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// The media types in which Prometheus asks, by what ?format= calls them.
var formats = map[string]string{
	"prometheus":  "text/plain;version=0.0.4",
	"text":        "text/plain;version=0.0.4",
	"openmetrics": "application/openmetrics-text;version=1.0.0",
	"protobuf":    "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited",
}

// Handler serves /metrics: JSON to everybody but those who ask for one of Prometheus' formats, by Accept as Prometheus
// does, or by ?format=prometheus, openmetrics, protobuf or json.
func (m *Metrics) Handler() http.Handler {
	tell := promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{EnableOpenMetrics: true})
	return http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		w.Header().Set("Vary", "Accept")
		switch format := q.URL.Query().Get("format"); {
		case format == "" && !asksPrometheus(q.Header.Values("Accept")), format == "json":
			m.serveJSON(w)
		case format == "":
			tell.ServeHTTP(w, q)
		case formats[format] != "":
			q = q.Clone(q.Context())
			q.Header.Set("Accept", formats[format])
			tell.ServeHTTP(w, q)
		default:
			http.Error(w, "format is one of json, prometheus, openmetrics, protobuf", http.StatusBadRequest)
		}
	})
}

func (m *Metrics) serveJSON(w http.ResponseWriter) {
	var b bytes.Buffer
	if err := m.WriteJSON(&b); err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	_, _ = w.Write(b.Bytes()) // who has gone needs no answer
}

// asksPrometheus tells whether somebody prefers one of Prometheus' formats, named as such, to JSON.
func asksPrometheus(accept []string) bool {
	var prometheus, json float64
	for part := range strings.SplitSeq(strings.Join(accept, ","), ",") {
		media, params, err := mime.ParseMediaType(part)
		if err != nil {
			continue
		}
		q := 1.0
		if s, ok := params["q"]; ok {
			if q, err = strconv.ParseFloat(s, 64); err != nil {
				continue
			}
		}
		switch media {
		case "application/openmetrics-text", "application/vnd.google.protobuf", "text/plain":
			prometheus = max(prometheus, q)
		case "application/json":
			json = max(json, q)
		}
	}
	return prometheus > json
}
