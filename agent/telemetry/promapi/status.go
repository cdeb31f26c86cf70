package promapi

import (
	"maps"
	"net/http"
	"runtime"
	"slices"

	jsoniter "github.com/json-iterator/go"
)

// speaks is the version of Prometheus whose API this is. Grafana chooses its requests by it.
const speaks = "3.15.0"

func (a *api) buildInfo(*http.Request) (answer, error) {
	info := map[string]string{
		"version": speaks, "revision": "engramd " + a.Version, "branch": "", "buildUser": "", "buildDate": "",
		"goVersion": runtime.Version(),
	}
	return answer{data: func(s *jsoniter.Stream) { s.WriteVal(info) }}, nil
}

func (a *api) metadata(r *http.Request) (answer, error) {
	limit, err := limitParam(r, "limit")
	if err != nil {
		return answer{}, err
	}
	known := map[string]Metadata{}
	if a.Metadata != nil {
		known = a.Metadata()
	}
	names := slices.Sorted(maps.Keys(known))
	if name := r.Form.Get("metric"); name != "" {
		names = slices.DeleteFunc(names, func(s string) bool { return s != name })
	}
	if limit > 0 && len(names) > limit {
		names = names[:limit]
	}
	out := make(map[string][]Metadata, len(names))
	for _, name := range names {
		out[name] = []Metadata{known[name]}
	}
	return answer{data: func(s *jsoniter.Stream) { s.WriteVal(out) }}, nil
}
