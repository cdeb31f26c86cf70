package config

import (
	_ "embed"
	"errors"
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

// Embedded writes, as parts of an agent.yaml, how the embedded node of c is looked after where no target names it, or says why it
// cannot be.
func Embedded(c *Config) (string, error) {
	at, ok := embeddedURL(c.document)
	switch {
	case !c.Node.Enabled:
		return "", errors.New("the configuration has no embedded node: node.enabled is false")
	case !ok:
		return "", fmt.Errorf("listen.node is %q, so nobody can know where the embedded node will be", c.document.Listen.Node)
	}
	reached := fmt.Sprintf("url: %q", at)
	if name := c.NodeTokenFile(); name != "" {
		reached += fmt.Sprintf(", token_file: %q", absolute(name))
	}
	if c.TLS.CertFile != "" {
		cert, err := certificateIn(c.TLS.CertFile)
		if err != nil {
			return "", err
		}
		name, err := nameIn(cert, at)
		if err != nil {
			return "", fmt.Errorf("tls.cert_file %s: %w", c.TLS.CertFile, err)
		}
		reached += fmt.Sprintf(", ca_file: %q, server_name: %q", absolute(c.TLS.CertFile), name)
	}
	workers := strconv.Itoa(max(2, runtime.NumCPU()))
	return strings.NewReplacer("{{node}}", reached, "{{url}}", at, "{{workers}}", workers).Replace(embeddedYAML), nil
}

// absolute is a path as it is right in a file that is elsewhere.
func absolute(path string) string {
	if all, err := filepath.Abs(path); err == nil {
		return all
	}
	return path
}

// NodeTokenFile is where the agent leaves the token by which it uses its own node, "" where that asks for none.
func (c *Config) NodeTokenFile() string {
	if !c.Node.Enabled || c.Auth.TokenFile == "" && c.TLS.ClientCAFile == "" {
		return ""
	}
	return filepath.Join(c.DataDir, "node.token")
}

// embeddedURL is where the agent reaches its own node, if that can be known beforehand.
func embeddedURL(doc *document) (string, bool) {
	host, number, err := splitAddress(doc.Listen.Node)
	if err != nil || number == 0 {
		return "", false
	}
	if isAny(host) {
		host = "127.0.0.1"
	}
	scheme := "http://"
	if doc.TLS.CertFile != "" {
		scheme = "https://"
	}
	return scheme + net.JoinHostPort(host, strconv.Itoa(number)), true
}

// SameNode reports whether a URL leads to the node at another one.
func SameNode(text, node string) bool {
	u, err := url.Parse(text)
	n, nodeErr := url.Parse(node)
	return text != "" && err == nil && nodeErr == nil && samePort(u, n) && sameHost(u.Hostname(), n.Hostname())
}

func samePort(a, b *url.URL) bool {
	x, _ := port(a)
	y, _ := port(b)
	return x == y
}

// ownTarget is the target of the file that is the embedded node: the one at that URL, else one under a name of its certificate.
func (r *resolver) ownTarget(at string) (t *Target, byName bool) {
	if i := slices.IndexFunc(r.cfg.Targets, func(t Target) bool { return SameNode(t.NodeURL, at) }); i >= 0 {
		return &r.cfg.Targets[i], false
	}
	if r.cfg.TLS.CertFile == "" {
		return nil, false
	}
	cert, err := certificateIn(r.cfg.TLS.CertFile)
	if err != nil {
		return nil, false // told by lookAfterNode
	}
	i := slices.IndexFunc(r.cfg.Targets, func(t Target) bool { return certifies(cert, t.NodeURL, at) })
	if i < 0 {
		return nil, false
	}
	return &r.cfg.Targets[i], true
}

// lookAfterNode makes the embedded node a target, where the file names none for it.
func (r *resolver) lookAfterNode() {
	at, ok := embeddedURL(r.doc)
	if _, built := r.registry[nodePlatform]; !built || !r.doc.Node.Enabled {
		return
	}
	if t, byName := r.ownTarget(at); ok && t != nil {
		if byName {
			r.warn(r.at("node.enabled"), fmt.Sprintf(
				"target %s is taken for the embedded node, whose certificate has that name; if it is another node, name a target with node: {url: %q}, too", t.Name, at))
		}
		return
	}
	text, err := Embedded(r.cfg)
	if err != nil {
		r.warn(r.at("node.enabled"), fmt.Sprintf("nobody looks after the embedded node: %v", err))
		return
	}
	head := fmt.Sprintf("version: 1\nmetrics: {interval: %s}\n", formatDuration(r.doc.Metrics.Interval))
	own, err := Parse("the embedded node", []byte(head+text), r.registry)
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
		one = nodeScrape(NodeJob, &r.cfg.Targets[len(r.cfg.Targets)-1])
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
	if t, _ := r.ownTarget(at); t != nil && r.embeddedAt == "" {
		return
	}
	if r.embeddedAt == "" && (r.cfg.NodeTokenFile() != "" || r.cfg.TLS.CertFile != "") {
		r.warn(r.at("node.enabled"), "the embedded node is neither scraped nor looked after: it asks for a token or for TLS; name a target with node: {url, token_file, ca_file}")
		return
	}
	r.scraped(seen, one.URL, "listen.node", "the embedded node")
	r.cfg.Metrics.Scrape = append(r.cfg.Metrics.Scrape, one)
}
