package promapi_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/prometheus/model/histogram"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/promql/parser"
	"github.com/prometheus/prometheus/rules"
	"github.com/prometheus/prometheus/storage"
	"github.com/prometheus/prometheus/tsdb"
	"go.uber.org/goleak"

	"github.com/engramd/engramd/agent/telemetry/promapi"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// store holds x{target="a"} = 1, 2, 3 and x{target="b"} = 10, 20, 30 at 1000, 1060 and 1120, and a
// histogram.
func store(t *testing.T) *tsdb.DB {
	t.Helper()
	db, err := tsdb.Open(t.TempDir(), slog.New(slog.DiscardHandler), prometheus.NewRegistry(), tsdb.DefaultOptions(), nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	a := db.Appender(t.Context())
	for i := range 3 {
		at := int64(1000+60*i) * 1000
		for target, factor := range map[string]float64{"a": 1, "b": 10} {
			if _, err := a.Append(0, labels.FromStrings("__name__", "x", "target", target), at, float64(i+1)*factor); err != nil {
				t.Fatal(err)
			}
		}
		h := &histogram.Histogram{Count: 3, Sum: 4.5, ZeroThreshold: 0.001, PositiveSpans: []histogram.Span{{Offset: 0, Length: 1}}, PositiveBuckets: []int64{3}}
		if _, err := a.AppendHistogram(0, labels.FromStrings("__name__", "h"), at, h, nil); err != nil {
			t.Fatal(err)
		}
	}
	if err := a.Commit(); err != nil {
		t.Fatal(err)
	}
	return db
}

func ask(t *testing.T, h http.Handler, method, target string) (int, string) {
	t.Helper()
	path, query, _ := strings.Cut(target, "?")
	var req *http.Request
	if method == http.MethodPost {
		req = httptest.NewRequest(method, path, strings.NewReader(query))
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	} else {
		req = httptest.NewRequest(method, target, nil)
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, req)
	if ct := w.Header().Get("Content-Type"); ct != "application/json" {
		t.Errorf("%s: content type %q", target, ct)
	}
	return w.Code, strings.TrimSpace(w.Body.String())
}

func options(q storage.Queryable) promapi.Options {
	return promapi.Options{Queryable: q, Interval: 15 * time.Second, Version: "test", Log: slog.New(slog.DiscardHandler),
		Metadata: func() map[string]promapi.Metadata {
			return map[string]promapi.Metadata{"x": {Type: "gauge", Help: "X."}, "y": {Type: "counter"}}
		}}
}

func TestAnswersAreThoseOfPrometheus(t *testing.T) {
	h := promapi.New(options(store(t)))
	tests := []struct {
		path string
		code int
		want string
	}{
		{"/api/v1/query?query=x&time=1120", 200, `{"status":"success","data":{"resultType":"vector","result":[{"metric":{"__name__":"x","target":"a"},"value":[1120,"3"]},{"metric":{"__name__":"x","target":"b"},"value":[1120,"30"]}]}}`},
		{"/api/v1/query?query=x&time=1120&limit=1", 200, `{"status":"success","data":{"resultType":"vector","result":[{"metric":{"__name__":"x","target":"a"},"value":[1120,"3"]}]},"warnings":["results truncated due to limit"]}`},
		{"/api/v1/query?query=1%2B1&time=1970-01-01T00:00:01.5Z", 200, `{"status":"success","data":{"resultType":"scalar","result":[1.500,"2"]}}`},
		{"/api/v1/query?query=%22s%22&time=1", 200, `{"status":"success","data":{"resultType":"string","result":[1,"s"]}}`},
		{"/api/v1/query?query=nothing&time=1", 200, `{"status":"success","data":{"resultType":"vector","result":[]}}`},
		{"/api/v1/query?query=-x%7Btarget%3D%22a%22%7D/0&time=1120", 200, `{"status":"success","data":{"resultType":"vector","result":[{"metric":{"target":"a"},"value":[1120,"-Inf"]}]}}`},
		{"/api/v1/query?query=h&time=1120", 200, `{"status":"success","data":{"resultType":"vector","result":[{"metric":{"__name__":"h"},"histogram":[1120,{"count":"3","sum":"4.5","buckets":[[0,"0.5","1","3"]]}]}]}}`},
		{"/api/v1/query?query=x%5B2m%5D&time=1120", 200, `{"status":"success","data":{"resultType":"matrix","result":[{"metric":{"__name__":"x","target":"a"},"values":[[1060,"2"],[1120,"3"]]},{"metric":{"__name__":"x","target":"b"},"values":[[1060,"20"],[1120,"30"]]}]}}`},
		{"/api/v1/query_range?query=sum(x)&start=1000&end=1120&step=1m", 200, `{"status":"success","data":{"resultType":"matrix","result":[{"metric":{},"values":[[1000,"11"],[1060,"22"],[1120,"33"]]}]}}`},
		{"/api/v1/query_range?query=h&start=1120&end=1120&step=60", 200, `{"status":"success","data":{"resultType":"matrix","result":[{"metric":{"__name__":"h"},"histograms":[[1120,{"count":"3","sum":"4.5","buckets":[[0,"0.5","1","3"]]}]]}]}}`},
		{"/api/v1/series?match[]=x", 200, `{"status":"success","data":[{"__name__":"x","target":"a"},{"__name__":"x","target":"b"}]}`},
		{"/api/v1/series?match[]=x&match[]=h&limit=2", 200, `{"status":"success","data":[{"__name__":"h"},{"__name__":"x","target":"a"}],"warnings":["results truncated due to limit"]}`},
		{"/api/v1/series?match[]=nothing", 200, `{"status":"success","data":[]}`},
		{"/api/v1/labels", 200, `{"status":"success","data":["__name__","target"]}`},
		{"/api/v1/labels?match[]=h", 200, `{"status":"success","data":["__name__"]}`},
		{"/api/v1/label/target/values", 200, `{"status":"success","data":["a","b"]}`},
		{"/api/v1/label/__name__/values?match[]=x&match[]=h&limit=1", 200, `{"status":"success","data":["h"],"warnings":["results truncated due to limit"]}`},
		{"/api/v1/label/none/values", 200, `{"status":"success","data":[]}`},
		{"/api/v1/metadata", 200, `{"status":"success","data":{"x":[{"type":"gauge","help":"X.","unit":""}],"y":[{"type":"counter","help":"","unit":""}]}}`},
		{"/api/v1/metadata?metric=y&limit=5", 200, `{"status":"success","data":{"y":[{"type":"counter","help":"","unit":""}]}}`},
		{"/api/v1/rules", 200, `{"status":"success","data":{"groups":[]}}`},
		{"/api/v1/alerts", 200, `{"status":"success","data":{"alerts":[]}}`},
		{"/api/v1/query_exemplars?query=x&start=1&end=2", 200, `{"status":"success","data":[]}`},
		{"/api/v1/format_query?query=sum(x)by(y)", 200, `{"status":"success","data":"sum by (y) (x)"}`},

		{"/api/v1/query?query=x%2B", 400, `{"status":"error","errorType":"bad_data","error":"invalid parameter \"query\": 1:3: parse error: unexpected end of input"}`},
		{"/api/v1/query?query=x&time=soon", 400, `{"status":"error","errorType":"bad_data","error":"invalid parameter \"time\": cannot parse \"soon\" to a valid timestamp"}`},
		{"/api/v1/query?query=x&time=NaN", 400, `{"status":"error","errorType":"bad_data","error":"invalid parameter \"time\": \"NaN\" is no time that exists"}`},
		{"/api/v1/query?query=x&timeout=-", 400, `{"status":"error","errorType":"bad_data","error":"invalid parameter \"timeout\": cannot parse \"-\" to a valid duration"}`},
		{"/api/v1/query?query=x&limit=-1", 400, `{"status":"error","errorType":"bad_data","error":"invalid parameter \"limit\": must not be negative"}`},
		{"/api/v1/query?query=x%2Bon()x&time=1120", 422, `{"status":"error","errorType":"execution","error":"found duplicate series for the match group {} on the right hand-side of the operation: [{__name__=\"x\", target=\"a\"}, {__name__=\"x\", target=\"b\"}];many-to-many matching not allowed: matching labels must be unique on one side"}`},
		{"/api/v1/query?query=x&timeout=0", 503, `{"status":"error","errorType":"timeout","error":"query timed out in query execution"}`},
		{"/api/v1/query_range?query=x&start=1&end=2", 400, `{"status":"error","errorType":"bad_data","error":"invalid parameter \"step\": cannot parse \"\" to a valid duration"}`},
		{"/api/v1/query_range?query=x&end=2&step=1", 400, `{"status":"error","errorType":"bad_data","error":"invalid parameter \"start\": is missing"}`},
		{"/api/v1/query_range?query=x&start=3&end=2&step=1", 400, `{"status":"error","errorType":"bad_data","error":"invalid parameter \"end\": end timestamp must not be before start time"}`},
		{"/api/v1/query_range?query=x&start=1&end=2&step=0", 400, `{"status":"error","errorType":"bad_data","error":"invalid parameter \"step\": zero or negative query resolution step widths are not accepted. Try a positive integer"}`},
		{"/api/v1/query_range?query=x&start=0&end=11001&step=1", 400, `{"status":"error","errorType":"bad_data","error":"exceeded maximum resolution of 11,000 points per timeseries. Try decreasing the query resolution (?step=XX)"}`},
		{"/api/v1/series", 400, `{"status":"error","errorType":"bad_data","error":"no match[] parameter provided"}`},
		{"/api/v1/series?match[]=%7B%7D", 400, `{"status":"error","errorType":"bad_data","error":"invalid parameter \"match[]\": match[] must contain at least one non-empty matcher"}`},
		{"/api/v1/label/%ff/values", 400, `{"status":"error","errorType":"bad_data","error":"invalid label name: \"\\xff\""}`},
		{"/api/v1/rules?type=odd", 400, `{"status":"error","errorType":"bad_data","error":"invalid parameter \"type\": not supported value \"odd\""}`},
		{"/api/v1/admin/tsdb/delete_series", 404, `{"status":"error","errorType":"not_found","error":"no GET /api/v1/admin/tsdb/delete_series in this API"}`},
	}
	for _, tt := range tests {
		code, got := ask(t, h, http.MethodGet, tt.path)
		if d := cmp.Diff(fmt.Sprint(tt.code, " ", tt.want), fmt.Sprint(code, " ", got)); d != "" {
			t.Errorf("%s:\n%s", tt.path, d)
		}
	}
	if code, got := ask(t, h, http.MethodPost, tests[0].path); code != 200 || got != tests[0].want {
		t.Errorf("POST: %d %s", code, got)
	}
	if _, got := ask(t, h, http.MethodGet, "/api/v1/status/buildinfo"); !regexp.MustCompile(`"version":"3\.\d+\.\d+"`).MatchString(got) {
		t.Errorf("buildinfo: %s", got)
	}
}

func TestRulesAndAlerts(t *testing.T) {
	db := store(t)
	p := parser.NewParser(parser.Options{})
	expr, err := p.ParseExpr(`x{target="a"} > 2`)
	if err != nil {
		t.Fatal(err)
	}
	log := slog.New(slog.DiscardHandler)
	hot := rules.NewAlertingRule("Hot", expr, time.Minute, 0, labels.FromStrings("severity", "page"),
		labels.FromStrings("summary", "{{ $labels.target }} is hot"), labels.EmptyLabels(), "", false, log)
	record := rules.NewRecordingRule("x:double", expr, labels.EmptyLabels())
	engine := promql.NewEngine(promql.EngineOpts{MaxSamples: 1000, Timeout: time.Minute})
	group := rules.NewGroup(rules.GroupOptions{Name: "g", File: "f.yml", Interval: time.Minute, Rules: []rules.Rule{hot, record}, Opts: &rules.ManagerOptions{
		QueryFunc: rules.EngineQueryFunc(engine, db), Appendable: db, Queryable: db, Context: t.Context(), Logger: log,
		NotifyFunc: func(context.Context, string, ...*rules.Alert) {}, Metrics: rules.NewGroupMetrics(nil),
	}})
	group.Eval(t.Context(), time.Unix(1120, 0))
	o := options(db)
	o.Groups = func() []*rules.Group { return []*rules.Group{group} }
	h := promapi.New(o)

	_, got := ask(t, h, http.MethodGet, "/api/v1/alerts")
	want := `{"status":"success","data":{"alerts":[{"labels":{"alertname":"Hot","severity":"page","target":"a"},"annotations":{"summary":"a is hot"},"state":"pending","activeAt":"1970-01-01T00:18:40Z","value":"3e+00"}]}}`
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
	for _, tt := range []struct {
		params string
		want   []string
		not    []string
	}{
		{"", []string{`"name":"Hot"`, `"type":"alerting"`, `"state":"pending"`, `"name":"x:double"`, `"type":"recording"`, `"health":"ok"`, `"file":"f.yml"`, `"duration":60`, `"value":"3e+00"`}, nil},
		{"type=alert", []string{`"Hot"`}, []string{"x:double"}},
		{"type=record", []string{"x:double"}, []string{`"Hot"`}},
		{"rule_name[]=Hot&exclude_alerts=true", []string{`"Hot"`, `"alerts":[]`}, []string{"x:double", "3e+00"}},
		{"rule_group[]=other", []string{`"groups":[]`}, []string{"Hot"}},
		{"file[]=f.yml", []string{"Hot"}, nil},
	} {
		_, got := ask(t, h, http.MethodGet, "/api/v1/rules?"+tt.params)
		for _, w := range tt.want {
			if !strings.Contains(got, w) {
				t.Errorf("%s: no %s in %s", tt.params, w, got)
			}
		}
		for _, n := range tt.not {
			if strings.Contains(got, n) {
				t.Errorf("%s: %s in %s", tt.params, n, got)
			}
		}
	}
}

// broken is a storage that fails, or says that it was entered and blocks until it is let go.
type broken struct {
	err     error
	entered chan struct{}
	leave   chan struct{}
}

func (b broken) Querier(int64, int64) (storage.Querier, error) {
	if b.err != nil {
		return nil, b.err
	}
	return &storage.MockQuerier{SelectMockFunction: func(bool, *storage.SelectHints, ...*labels.Matcher) storage.SeriesSet {
		select {
		case b.entered <- struct{}{}:
		case <-b.leave: // nobody counts any more
		}
		<-b.leave
		return storage.EmptySeriesSet()
	}}, nil
}

func TestStorageThatFails(t *testing.T) {
	h := promapi.New(options(broken{err: errors.New("the metric store is closed")}))
	for path, want := range map[string]int{"/api/v1/query?query=x": 422, "/api/v1/series?match[]=x": 422, "/api/v1/labels": 422} {
		if code, got := ask(t, h, http.MethodGet, path); code != want || !strings.Contains(got, "the metric store is closed") {
			t.Errorf("%s: %d %s", path, code, got)
		}
	}
}

func TestRequestsBeyondTheLimitWaitAndLeaveWithTheirClient(t *testing.T) {
	const most = 4
	gate := broken{entered: make(chan struct{}), leave: make(chan struct{})}
	srv := httptest.NewServer(promapi.New(options(gate)))
	defer srv.Close()
	ask := func(ctx context.Context) error {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, srv.URL+"/api/v1/query?query=x", nil)
		if err != nil {
			return err
		}
		resp, err := srv.Client().Do(req)
		if err != nil {
			return err
		}
		return resp.Body.Close()
	}
	answers := make(chan error)
	for range most {
		go func() { answers <- ask(t.Context()) }()
		<-gate.entered
	}
	ctx, cancel := context.WithCancel(t.Context())
	go func() { answers <- ask(ctx) }()
	select {
	case <-gate.entered:
		t.Error("one more than allowed is being answered")
	case <-time.After(50 * time.Millisecond):
	}
	cancel()
	if err := <-answers; !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	close(gate.leave)
	for range most {
		if err := <-answers; err != nil {
			t.Error(err)
		}
	}
}

func TestHugeBodiesAreRefused(t *testing.T) {
	h := promapi.New(options(store(t)))
	code, got := ask(t, h, http.MethodPost, "/api/v1/query?query="+strings.Repeat("x", 2<<20))
	if code != http.StatusBadRequest || !strings.Contains(got, "too large") {
		t.Errorf("%d %s", code, got)
	}
}

func FuzzParameters(f *testing.F) {
	f.Add("x", "1", "2", "1", "x", "5")
	f.Add("rate(x[5m])", "1970-01-01T00:00:00Z", "1e300", "NaN", `{a=~"("}`, "-1")
	f.Add("", "-Inf", "0x1p-2", "9999999999y", "{}", "99999999999999999999")
	db := &storage.MockQueryable{MockQuerier: &storage.MockQuerier{SelectMockFunction: func(bool, *storage.SelectHints, ...*labels.Matcher) storage.SeriesSet {
		return storage.EmptySeriesSet()
	}}}
	h := promapi.New(options(db))
	f.Fuzz(func(t *testing.T, query, start, end, step, match, limit string) {
		params := url.Values{"query": {query}, "time": {start}, "start": {start}, "end": {end}, "step": {step}, "match[]": {match}, "limit": {limit}, "timeout": {step}}.Encode()
		for _, path := range []string{"query", "query_range", "series", "labels", "label/x/values", "rules", "metadata"} {
			if code, got := ask(t, h, http.MethodPost, "/api/v1/"+path+"?"+params); code >= 500 && code != http.StatusServiceUnavailable {
				t.Errorf("%s?%s: %d %s", path, params, code, got)
			}
		}
	})
}
