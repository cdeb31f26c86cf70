package telemetry

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/alecthomas/units"
	commonconfig "github.com/prometheus/common/config"
	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/config"
	"github.com/prometheus/prometheus/discovery/targetgroup"
	"golang.org/x/net/http/httpguts"
)

// Bounds of one scrape where the configuration has none.
const (
	defaultBodyLimit   = 16 << 20
	defaultSampleLimit = 20_000
	defaultTimeout     = 10 * time.Second
	labelLimit         = 64
	labelNameLimit     = 512
	labelValueLimit    = 4096
	headersFileLimit   = 64 << 10
)

// A plan is what the scrape manager is given: a pool for each endpoint.
type plan struct {
	config  *config.Config
	targets map[string][]*targetgroup.Group
}

// newPlan checks every scrape and reports all faults.
func newPlan(c Config) (plan, error) {
	cfg, err := config.Load("", quiet(discardLog))
	if err != nil {
		return plan{}, fmt.Errorf("prepare the scrapes: %w", err)
	}
	p := plan{config: cfg, targets: map[string][]*targetgroup.Group{}}
	var errs []error
	for i, s := range c.Scrapes {
		sc, group, err := pool(s, i, c.Interval)
		if err == nil {
			err = sc.Validate(cfg.GlobalConfig)
		}
		if err != nil {
			errs = append(errs, fmt.Errorf("scrape %s: %w", s.URL, err))
			continue
		}
		cfg.ScrapeConfigs = append(cfg.ScrapeConfigs, sc)
		p.targets[sc.JobName] = []*targetgroup.Group{group}
	}
	return p, errors.Join(errs...)
}

// pool makes one scrape pool. Its name is not the job: several endpoints may share that.
func pool(s Scrape, i int, interval time.Duration) (*config.ScrapeConfig, *targetgroup.Group, error) {
	u, err := url.Parse(s.URL)
	switch {
	case err != nil:
		return nil, nil, err
	case u.Scheme != "http" && u.Scheme != "https":
		return nil, nil, errors.New("the URL must begin with http:// or https://")
	case u.Host == "":
		return nil, nil, errors.New("the URL names no host")
	case u.User != nil:
		return nil, nil, errors.New("the URL holds a password: use headers_file or bearer_token_file")
	}
	client, err := clientConfig(s)
	if err != nil {
		return nil, nil, err
	}
	sc := config.DefaultScrapeConfig
	sc.JobName = strconv.Itoa(i) + " " + s.Job
	sc.HonorTimestamps, sc.TrackTimestampsStaleness = true, true
	sc.Scheme, sc.MetricsPath, sc.Params = u.Scheme, u.EscapedPath(), u.Query()
	if sc.MetricsPath == "" {
		sc.MetricsPath = "/"
	}
	every := orElse(s.Interval, interval)
	sc.ScrapeInterval = model.Duration(every)
	sc.ScrapeTimeout = model.Duration(min(orElse(s.Timeout, defaultTimeout), every))
	sc.BodySizeLimit = units.Base2Bytes(orElse(s.BodyLimit, defaultBodyLimit))
	sc.SampleLimit = uint(orElse(s.SampleLimit, defaultSampleLimit))
	sc.LabelLimit, sc.LabelNameLengthLimit, sc.LabelValueLengthLimit = labelLimit, labelNameLimit, labelValueLimit
	sc.ScrapeFallbackProtocol = config.PrometheusText0_0_4
	sc.HTTPClientConfig = client
	group := &targetgroup.Group{
		Source:  sc.JobName,
		Targets: []model.LabelSet{{model.AddressLabel: model.LabelValue(u.Host)}},
		Labels:  model.LabelSet{model.JobLabel: model.LabelValue(s.Job)},
	}
	if s.Target != "" {
		group.Labels["target"] = model.LabelValue(s.Target)
	}
	return &sc, group, nil
}

func orElse[T comparable](v, fallback T) T {
	var zero T
	if v == zero {
		return fallback
	}
	return v
}

// clientConfig sets the credentials. An endpoint that gets any may not send the client elsewhere with
// them.
func clientConfig(s Scrape) (commonconfig.HTTPClientConfig, error) {
	c := commonconfig.DefaultHTTPClientConfig
	c.FollowRedirects = s.BearerTokenFile == "" && s.HeadersFile == ""
	if s.BearerTokenFile != "" {
		if _, err := os.ReadFile(s.BearerTokenFile); err != nil {
			return c, fmt.Errorf("read the bearer token: %w", err)
		}
		c.Authorization = &commonconfig.Authorization{Type: "Bearer", CredentialsFile: s.BearerTokenFile}
	}
	if s.CAFile != "" {
		if _, err := os.ReadFile(s.CAFile); err != nil {
			return c, fmt.Errorf("read the certificates: %w", err)
		}
	}
	c.TLSConfig = commonconfig.TLSConfig{CAFile: s.CAFile, ServerName: s.ServerName}
	if s.HeadersFile != "" {
		h, err := readHeaders(s.HeadersFile)
		if err != nil {
			return c, err
		}
		c.HTTPHeaders = &commonconfig.Headers{Headers: map[string]commonconfig.Header{}}
		for name, values := range h {
			secrets := make([]commonconfig.Secret, len(values))
			for i, v := range values {
				secrets[i] = commonconfig.Secret(v)
			}
			c.HTTPHeaders.Headers[name] = commonconfig.Header{Secrets: secrets}
		}
	}
	return c, c.Validate()
}

// readHeaders reads a file of "Name: value" lines; empty lines and those that begin with # are
// skipped. Its errors never show a value.
func readHeaders(path string) (http.Header, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("read the headers: %w", err)
	}
	if len(data) > headersFileLimit {
		return nil, fmt.Errorf("read the headers: %s is larger than %d bytes", path, headersFileLimit)
	}
	return parseHeaders(path, data)
}

func parseHeaders(path string, data []byte) (http.Header, error) {
	h := http.Header{}
	lines := bufio.NewScanner(bytes.NewReader(data))
	lines.Buffer(nil, headersFileLimit+1)
	for n := 1; lines.Scan(); n++ {
		line := strings.TrimSpace(lines.Text())
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		name, value, ok := strings.Cut(line, ":")
		name, value = strings.TrimSpace(name), strings.TrimSpace(value)
		if !ok || !httpguts.ValidHeaderFieldName(name) || !httpguts.ValidHeaderFieldValue(value) {
			return nil, fmt.Errorf("%s:%d: want \"Name: value\"", path, n)
		}
		h.Add(name, value)
	}
	return h, lines.Err()
}
