package config

import (
	"cmp"
	"fmt"
	"net"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// metrics resolves where samples come from. The targets are resolved already.
func (r *resolver) metrics() {
	s := &r.doc.Metrics
	m := &r.cfg.Metrics
	m.Interval, m.Timeout, m.Retention = s.Interval, s.Timeout, s.Retention
	switch {
	case s.Interval < time.Second:
		r.faultAt("metrics.interval", "metrics.interval: want 1s or more", "")
	case s.Retention < time.Hour:
		r.faultAt("metrics.retention", "metrics.retention: want 1h or more", "")
	}
	if s.Timeout <= 0 {
		r.faultAt("metrics.timeout", "metrics.timeout: want more than 0s", "")
	}
	if p := s.Source.Prometheus; p != nil {
		r.checkURL("metrics.source.prometheus.url", p.URL)
		m.Prometheus = &Prometheus{URL: p.URL, BearerTokenFile: r.file(p.BearerTokenFile), CAFile: r.file(p.CAFile)}
	}
	seen := map[string]string{}
	for i := range r.cfg.Targets {
		t := &r.cfg.Targets[i]
		if t.NodeURL == "" || i >= len(r.doc.Targets) {
			continue
		}
		path := fmt.Sprintf("targets[%d].node.url", i)
		one := nodeScrape(t.Name, t)
		r.scraped(seen, one.URL, path, "target "+t.Name)
		m.Scrape = append(m.Scrape, one)
	}
	r.embedded(seen)
	for i := range s.Scrape {
		r.scrape(&s.Scrape[i], fmt.Sprintf("metrics.scrape[%d]", i), seen)
	}
}

// nodeScrape reads the metrics of a target's node as its driver does.
func nodeScrape(job string, t *Target) Scrape {
	key := func(name string) string { return textOf(t.Specs[nodePlatform], name) }
	return Scrape{
		Job: job, URL: t.NodeURL + "/metrics", Target: t.Name,
		BearerTokenFile: key("token_file"), CAFile: key("ca_file"), ServerName: key("server_name"),
	}
}

func (r *resolver) scrape(s *scrapeSection, path string, seen map[string]string) {
	s.Job = cmp.Or(s.Job, s.Target)
	r.checkURL(path+".url", s.URL)
	r.scraped(seen, s.URL, path+".url", path)
	switch {
	case s.Job == "":
		r.faultAt(path, path+": job is missing", "add `job:`, or `target:`")
	case s.Target != "" && r.targetNamed(s.Target) == nil:
		r.faultAt(path+".target", fmt.Sprintf("%s: there is no target %q", path, s.Target), oneOf(s.Target, r.targetNames()))
	}
	interval := cmp.Or(s.Interval, r.doc.Metrics.Interval)
	if s.Timeout > interval {
		r.faultAt(path+".timeout", fmt.Sprintf("%s.timeout: %s is longer than the interval, %s", path, formatDuration(s.Timeout), formatDuration(interval)), "")
	}
	if s.Interval != 0 && s.Interval < time.Second {
		r.faultAt(path+".interval", path+".interval: want 1s or more", "")
	}
	if s.Interval > r.doc.Metrics.Interval {
		r.warn(r.at(path+".interval"), fmt.Sprintf("%s: a sample is evidence for three times metrics.interval (%s); scraped every %s it is too old in between",
			path, formatDuration(3*r.doc.Metrics.Interval), formatDuration(s.Interval)))
	}
	r.cfg.Metrics.Scrape = append(r.cfg.Metrics.Scrape, Scrape{
		Job: s.Job, URL: s.URL, Target: s.Target, Interval: s.Interval, Timeout: s.Timeout,
		BearerTokenFile: r.file(s.BearerTokenFile), HeadersFile: r.file(s.HeadersFile), CAFile: r.file(s.CAFile),
	})
}

// scraped complains of a URL that is scraped twice: every sample of it would be there twice.
func (r *resolver) scraped(seen map[string]string, text, path, by string) {
	u, err := url.Parse(text)
	if err != nil {
		return
	}
	number, _ := port(u)
	id := u.Scheme + "://" + net.JoinHostPort(strings.ToLower(u.Hostname()), strconv.Itoa(number)) + cmp.Or(u.EscapedPath(), "/") + "?" + u.RawQuery
	if other, twice := seen[id]; twice {
		r.faultAt(path, fmt.Sprintf("%.80s is scraped twice", text), fmt.Sprintf("%s has it already; a target's node.url is scraped by itself", other))
		return
	}
	seen[id] = by
}
