package config_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/engramd/engramd/agent/config"
	"github.com/engramd/engramd/policy"
	"github.com/engramd/engramd/rules"
)

// What Show writes is read again as the same.
func TestShow(t *testing.T) {
	example := without(string(readFile(t, "testdata/agent.example.yaml")), "worker", "api", "api-size", "business-hours")
	for path, text := range map[string]string{"testdata/show.yaml": example, "testdata/show.more.yaml": more} {
		c := parse(t, text)
		shown := config.Show(c)
		golden(t, path, string(shown))
		again := parse(t, string(shown))
		if diff := cmp.Diff(string(shown), string(config.Show(again))); diff != "" {
			t.Errorf("%s: shown twice:\n%s", path, diff)
		}
		diff := cmp.Diff(c, again, cmpopts.IgnoreUnexported(config.Config{}, rules.File{}), cmpopts.IgnoreFields(config.Config{}, "Hash", "Warnings"),
			cmp.AllowUnexported(policy.Quantity{}), cmpopts.EquateEmpty())
		if diff != "" {
			t.Errorf("%s (-before +after):\n%s", path, diff)
		}
	}
}

// more says what the example does not.
const more = `
version: 1
mode: dry-run
listen: {agent: "[::1]:9090", metrics: ":9091"}
tls: {cert_file: c.pem, key_file: k.pem, client_ca_file: /ca.pem}
log: {level: debug, format: json}
node: {hot_tier_size: 1Gi}
metrics:
  source: {prometheus: {url: "https://prometheus:9090", bearer_token_file: token, ca_file: ca.pem}}
  interval: 1500ms
  scrape: [{url: "http://127.0.0.1:8080/metrics", target: a, interval: 1s, timeout: 500ms, headers_file: h, bearer_token_file: b, ca_file: c}]
targets:
  - name: a
    docker: {container: web, host: "unix:///x.sock"}
    limits:
      cpu: {min: 500m, max: 7.5, max_step_up: 100%, max_step_down: 12.5%}
      memory: {max: 16GB, swap: none}
      threads: {spreading: {max: 8}}
      tiers.hot_threshold: {min: 0.1, max: 60%}
    apply: {cpu: live, memory: grow-live}
    runtime: jvm
    live: any_time
    smoke:
      - {command: [/bin/sh, -c, "exit 0"]}
      - {method: post, url: "http://127.0.0.1:1/x", headers_file: h, timeout: 1s}
    backup: {max_age: 2d, command: [check]}
    adopt_unlimited: true
    allow_irreversible: true
    validation: {duration: 10m, effect: {none: keep}}
    safety: {budget: {per_day: -1}, reserve: {cpu: 500m, memory: 2Gi}, overcommit: false}
  - {name: b, docker: {container: b}}
policies:
  - name: both
    targets: [a, b]
    mode: approve
    every: 1m
    matrix:
      signals:
        load: |
          sum by (target) (rate(x_total[5m]))
            / sum by (target) (y)
      rows:
        - {when: {load: "< 0.5"}, for: 1h, do: [scale, diagnose], change: {cpu: {by: -20%}}}
        - {when: {load: "0.9.."}, do: emergency, change: {memory: {by: 512Mi, cap: 8Gi}, cpu: {to: max}}, within: 1w, at_deadline: run}
        - when: {load: "0.7..0.9"}
          do: plan
          change:
            tiers: {hot_threshold: 0.5, warm_threshold: {by: 0.05}, hot_tier_size: {to: 1Gi}, evict: true}
            storage: {by: x2, cap: 1Ti, compact: now, prune: false, retain: 12h}
            threads: {spreading: {by: 1}}
            replicas: {to: 3}
      otherwise: {do: hold, why: "in between: fine"}
  - {name: alone, target: a, matrix: {signals: {up: 'up{container="$container"}'}, rows: [{do: none}]}}
safety: {approval_ttl: 90s}
events: {file: {max_size: 10MB, keep: 0}, webhook: {url: "https://x/y", headers_file: h, min_severity: critical}}
`

func TestShowDefault(t *testing.T) {
	golden(t, "testdata/show.default.yaml", string(config.Show(parse(t, "version: 1\n"))))
}

func TestShowNoSecrets(t *testing.T) {
	c := parse(t, "version: 1\nlisten: {agent: \"0.0.0.0:9090\"}\nauth: {token_file: secret.txt}\n")
	if shown := string(config.Show(c)); !strings.Contains(shown, "token_file: secret.txt") {
		t.Errorf("got %s", shown)
	}
	if c.Auth.TokenFile != "secret.txt" {
		t.Errorf("got %q", c.Auth.TokenFile)
	}
}
