package config

import (
	_ "embed"
	"fmt"
	"net"
	"net/url"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
)

// nodePlatform is the platform of memory nodes.
const nodePlatform = "node"

// NodeJob is the label job of the embedded node's samples.
const NodeJob = "engram"

// The target and the policies of the embedded node; their presets are listed there.
//
//go:embed embedded.yaml
var embeddedYAML string

// Embedded writes, as parts of an agent.yaml, how the embedded node of c is looked after where no target names it; "" if there is none.
func Embedded(c *Config) string {
	at, ok := embeddedURL(c.document)
	if !c.Node.Enabled || !ok {
		return ""
	}
	token := ""
	if c.document.Auth.TokenFile != "" {
		token = fmt.Sprintf(", token_file: %q", NodeTokenFile(c.document.DataDir))
	}
	return strings.NewReplacer("{{url}}", at, "{{token}}", token, "{{workers}}", strconv.Itoa(max(2, runtime.NumCPU()))).Replace(embeddedYAML)
}

// NodeTokenFile is where an agent leaves the token by which it uses its own node, where that asks for one.
func NodeTokenFile(dataDir string) string { return filepath.Join(dataDir, "node.token") }

// embeddedURL is where the agent reaches its own node.
func embeddedURL(doc *document) (string, bool) {
	host, number, err := splitAddress(doc.Listen.Node)
	if err != nil {
		return "", false
	}
	if isAny(host) {
		host = "127.0.0.1"
	}
	return "http://" + net.JoinHostPort(host, strconv.Itoa(number)), true
}

// SameNode reports whether a URL leads to the node at another one.
func SameNode(text, node string) bool {
	u, err := url.Parse(text)
	n, nodeErr := url.Parse(node)
	return text != "" && err == nil && nodeErr == nil && u.Port() == n.Port() && sameHost(u.Hostname(), n.Hostname())
}

// lookAfterNode makes the embedded node a target, where the file names none for it.
func (r *resolver) lookAfterNode() {
	at, ok := embeddedURL(r.doc)
	if _, built := r.registry[nodePlatform]; !ok || !built || !r.doc.Node.Enabled {
		return
	}
	if slices.ContainsFunc(r.cfg.Targets, func(t Target) bool { return SameNode(t.NodeURL, at) }) {
		return
	}
	if r.doc.TLS.CertFile != "" {
		return // told by embedded
	}
	head := fmt.Sprintf("version: 1\nmetrics: {interval: %s}\n", formatDuration(r.doc.Metrics.Interval))
	r.cfg.Node, r.cfg.document = r.doc.Node, r.doc
	own, err := Parse("the embedded node", []byte(head+Embedded(r.cfg)), r.registry)
	if err != nil {
		r.fault(r.at("node.enabled"), fmt.Sprintf("the embedded node cannot be looked after: %v", err), "")
		return
	}
	t := own.Targets[0]
	if r.targetNamed(t.Name) != nil {
		r.warn(r.at("node.enabled"), fmt.Sprintf("nobody looks after the embedded node: another target is called %s; give it another name, or name a target with node: {url: %q}", t.Name, at))
		return
	}
	r.cfg.Targets = append(r.cfg.Targets, t)
	r.embeddedAt, r.embeddedPolicies = at, own.Policies
	if r.doc.Node.Storage.DiskIOPS == 0 { // nobody has said what the disk can do, and the node does not know
		r.embeddedPolicies = slices.DeleteFunc(own.Policies, func(p Policy) bool { return strings.HasSuffix(p.Name, "-iops") })
	}
}

// embeddedRules adds the policies of the embedded node, but for those that the file has itself: by their name, or by their preset.
func (r *resolver) embeddedRules() {
	written := r.cfg.Policies
	for _, p := range r.embeddedPolicies {
		named := slices.ContainsFunc(written, func(o Policy) bool {
			return slices.Contains(o.Targets, p.Targets[0]) && (o.Name == p.Name || o.Preset == p.Preset)
		})
		if !named {
			r.cfg.Policies = append(r.cfg.Policies, p)
		}
	}
}

// embedded has the embedded node scraped, unless the file says already how: as a target, or as an entry
// of its own, which is needed where the node asks who we are.
func (r *resolver) embedded(seen map[string]string) {
	at, ok := embeddedURL(r.doc)
	if !r.doc.Node.Enabled || !ok {
		return
	}
	one := Scrape{Job: NodeJob, URL: at + "/metrics"}
	if r.embeddedAt != "" {
		t := r.cfg.Targets[len(r.cfg.Targets)-1]
		one.Target, one.BearerTokenFile = t.Name, textOf(t.Specs[nodePlatform], "token_file")
	}
	for _, s := range r.doc.Metrics.Scrape {
		if !SameNode(s.URL, at) {
			continue
		}
		if one.Target != "" && s.Target != one.Target {
			r.warn(r.at("node.enabled"), fmt.Sprintf("metrics.scrape reads the embedded node without target: %s, so that its policies see nothing: leave the entry out, or add that", one.Target))
		}
		return
	}
	if r.embeddedAt == "" && slices.ContainsFunc(r.cfg.Targets, func(t Target) bool { return SameNode(t.NodeURL, at) }) {
		return
	}
	if r.embeddedAt == "" && r.doc.Auth.TokenFile != "" || r.doc.TLS.CertFile != "" {
		r.warn(r.at("node.enabled"), "the embedded node is neither scraped nor looked after: it asks for a token or for TLS; name a target with node: {url, token_file, ca_file}")
		return
	}
	r.scraped(seen, one.URL, "listen.node", "the embedded node")
	r.cfg.Metrics.Scrape = append(r.cfg.Metrics.Scrape, one)
}
