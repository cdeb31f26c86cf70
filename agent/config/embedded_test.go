package config_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/engramd/engramd/actuators"
	"github.com/engramd/engramd/actuators/node"
	"github.com/engramd/engramd/agent/config"
	"github.com/engramd/engramd/policy"
)

// withNode has the driver of memory nodes as well.
func withNode() actuators.Registry {
	reg := registry()
	reg["node"] = node.Platform()
	return reg
}

func parseNode(t *testing.T, text string) *config.Config {
	t.Helper()
	c, err := config.Parse("agent.yaml", []byte("version: 1\nnode: {enabled: true}\n"+text), withNode())
	if err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	return c
}

func names(c *config.Config) string {
	var all []string
	for _, t := range c.Targets {
		all = append(all, t.Name)
	}
	return strings.Join(all, " ")
}

func policies(c *config.Config) (all []string) {
	for _, p := range c.Policies {
		all = append(all, p.Name)
	}
	return all
}

// The embedded node is a target that acts by itself, and the agent.yaml of the project has nothing to complain of.
func TestEmbeddedNodeIsATarget(t *testing.T) {
	c, err := config.Parse("agent.yaml", config.Default(), withNode())
	if err != nil {
		t.Fatal(err)
	}
	if len(c.Warnings) > 0 || names(c) != "node" || c.Mode != policy.Approve {
		t.Fatalf("targets %s, mode %s, warnings %v", names(c), c.Mode, c.Warnings)
	}
	n := c.Targets[0]
	if n.Mode != policy.Auto || n.NodeURL != "http://127.0.0.1:7432" || !slices.Equal(n.Drivers, []string{"node"}) || n.Specs["node"].(*node.Spec).URL != n.NodeURL {
		t.Errorf("%+v", n)
	}
	if n.Procedure.StopTimeout < 10*time.Minute {
		t.Errorf("a compaction is cut off after %s", n.Procedure.StopTimeout)
	}
	if v := n.Procedure.Validation; v.Duration != 90*time.Second || n.Safety.CooldownUp != time.Minute || n.Safety.Budget.PerDay < 100 {
		t.Errorf("%+v %+v", v, n.Safety)
	}
	all := policies(c)
	for _, want := range []string{"node-tiers-hot", "node-tiers-warm", "node-memory", "node-queue-spreading", "node-storage-wal", "node-storage-snapshots"} {
		if !slices.Contains(all, want) {
			t.Errorf("no policy %s in %v", want, all)
		}
	}
	if slices.Contains(all, "node-storage-iops") {
		t.Error("a policy watches what nobody knows")
	}
	for _, p := range c.Policies {
		if p.Every != 5*time.Second {
			t.Errorf("%s is evaluated every %s", p.Name, p.Every)
		}
	}
	if s := c.Metrics.Scrape; len(s) != 1 || s[0].Target != "node" || s[0].Job != config.NodeJob || s[0].URL != "http://127.0.0.1:7432/metrics" {
		t.Errorf("%+v", s)
	}
	if c := parseNode(t, ""); !slices.Equal(policies(c), all) {
		t.Error("only with the default file")
	}
}

func TestWhoLooksAfterTheEmbeddedNode(t *testing.T) {
	const own = "targets: [{name: mine, node: {url: \"http://localhost:7432\"}}]\n"
	for name, c := range map[string]struct {
		text, targets string
		policies      int
		warns         string
	}{
		"a target of one's own":  {own, "mine", 0, ""},
		"beside another":         {"targets: [{name: app, docker: {container: app}}]\n", "app node", -1, ""},
		"another node":           {"targets: [{name: other, node: {url: \"http://127.0.0.1:7433\"}}]\n", "other node", -1, ""},
		"another called node":    {"targets: [{name: node, docker: {container: app}}]\n", "node", 0, "another target is called node"},
		"with a token":           {"auth: {token_file: t}\n", "node", -1, ""},
		"an unknown certificate": {"tls: {cert_file: c, key_file: k}\n", "", 0, "neither scraped nor looked after"},
		"at a port to come":      {"listen: {node: \"127.0.0.1:0\"}\n", "", 0, "nobody can know where"},
		"elsewhere":              {"listen: {node: \"127.0.0.1:7999\"}\n", "node", -1, ""},
		"scraped for nobody":     {"metrics: {scrape: [{job: x, url: \"http://127.0.0.1:7432/metrics\"}]}\n", "node", -1, "without target: node"},
		"scraped by hand":        {"metrics: {scrape: [{job: x, target: node, url: \"http://127.0.0.1:7432/metrics\"}]}\n", "node", -1, ""},
		"a policy of one's own":  {"policies: [{name: p, target: node, preset: engram-tiers}]\n", "node", -1, ""},
	} {
		t.Run(name, func(t *testing.T) {
			got := parseNode(t, c.text)
			if names(got) != c.targets || c.policies >= 0 && len(got.Policies) != c.policies || c.policies < 0 && len(got.Policies) == 0 {
				t.Errorf("targets %q, policies %v", names(got), policies(got))
			}
			var warned []string
			for _, w := range got.Warnings {
				warned = append(warned, w.Text)
			}
			if text := strings.Join(warned, "\n"); (c.warns == "") != (text == "" || name == "a policy of one's own") || !strings.Contains(text, c.warns) {
				t.Errorf("warnings %q, want %q", text, c.warns)
			}
			if name == "a policy of one's own" && slices.Contains(policies(got), "node-tiers-hot") {
				t.Error("the preset is bound twice")
			}
		})
	}
	c, err := config.Parse("agent.yaml", []byte("version: 1\n"), withNode())
	if err != nil || len(c.Targets) > 0 {
		t.Errorf("without a node: %v %v", c, err)
	}
	if text, err := config.Embedded(c); text != "" || err == nil || !strings.Contains(err.Error(), "node.enabled is false") {
		t.Errorf("without a node: %q %v", text, err)
	}
}

// What is printed is what holds, and takes its place.
func TestEmbeddedIsAnAgentYAML(t *testing.T) {
	before := parseNode(t, "")
	text, err := config.Embedded(before)
	if err != nil {
		t.Fatal(err)
	}
	after := parseNode(t, text)
	same := slices.DeleteFunc(policies(after), func(name string) bool { return name == "node-storage-iops" })
	if names(after) != "node" || !slices.Equal(same, policies(before)) {
		t.Errorf("targets %q, policies %v, were %v", names(after), policies(after), policies(before))
	}
	if a, b := before.Targets[0].Procedure.Validation, after.Targets[0].Procedure.Validation; a != b {
		t.Errorf("%+v, was %+v", b, a)
	}
}

// Where the node asks for a token the agent has one of its own.
func TestEmbeddedNodeWithAToken(t *testing.T) {
	c := parseNode(t, "auth: {token_file: t}\ndata_dir: /var/lib/engramd\n")
	const file = "/var/lib/engramd/node.token"
	if s := c.Metrics.Scrape; len(s) != 1 || s[0].BearerTokenFile != file || c.Targets[0].Specs["node"].(*node.Spec).TokenFile != file {
		t.Errorf("%+v %+v", s, c.Targets[0].Specs)
	}
}

// With TLS the node is trusted by its own certificate, under a name that it has, and nothing else is.
func TestEmbeddedNodeWithTLS(t *testing.T) {
	dir := t.TempDir()
	for name, c := range map[string]struct {
		dns   []string
		ips   []net.IP
		text  string
		name  string // by which the node is known; "": it is no target
		warns string
	}{
		"the address":          {nil, []net.IP{net.IPv4(10, 0, 0, 1), net.IPv4(127, 0, 0, 1)}, "", "127.0.0.1", ""},
		"another address":      {nil, []net.IP{net.IPv4(10, 0, 0, 1)}, "", "10.0.0.1", ""},
		"a name":               {[]string{"engram.example"}, nil, "", "engram.example", ""},
		"any name of a domain": {[]string{"*.example.com"}, nil, "", "engram.example.com", ""},
		"no name":              {nil, nil, "", "", "has no name (subjectAltName)"},
		"a target by its name": {[]string{"engram.example"}, nil, "targets: [{name: mine, node: {url: \"https://engram.example:7432\"}}]\n", "", "target mine is taken for"},
		"a target elsewhere":   {[]string{"engram.example"}, nil, "targets: [{name: mine, node: {url: \"https://engram.example:7433\"}}]\n", "engram.example", ""},
		"client certificates":  {[]string{"engram.example"}, nil, "client", "engram.example", ""},
	} {
		t.Run(name, func(t *testing.T) {
			file, more, token := filepath.Join(dir, "cert.pem"), c.text, ""
			certify(t, file, c.dns, c.ips)
			text := "tls: {cert_file: " + file + ", key_file: k}\n"
			if more == "client" {
				text, more, token = "data_dir: /d\ntls: {cert_file: "+file+", key_file: k, client_ca_file: ca}\n", "", "/d/node.token"
			}
			got := parseNode(t, text+more)
			var warned []string
			for _, w := range got.Warnings {
				warned = append(warned, w.Text)
			}
			if text := strings.Join(warned, "\n"); (c.warns == "") != (text == "") || !strings.Contains(text, c.warns) {
				t.Errorf("warnings %q, want %q", text, c.warns)
			}
			i := slices.IndexFunc(got.Targets, func(t config.Target) bool { return t.Name == "node" })
			if (i >= 0) != (c.name != "") {
				t.Fatalf("targets %q", names(got))
			}
			if i < 0 {
				return
			}
			if s, want := got.Targets[i].Specs["node"].(*node.Spec), (node.Spec{URL: "https://127.0.0.1:7432", CAFile: file, ServerName: c.name, TokenFile: token}); *s != want {
				t.Errorf("%+v, want %+v", *s, want)
			}
			s := got.Metrics.Scrape[len(got.Metrics.Scrape)-1]
			if s.Target != "node" || s.URL != "https://127.0.0.1:7432/metrics" || s.CAFile != file || s.ServerName != c.name || s.BearerTokenFile != token {
				t.Errorf("%+v", s)
			}
		})
	}
}

// certify writes a certificate that signs itself.
func certify(t *testing.T, file string, dns []string, ips []net.IP) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour), DNSNames: dns, IPAddresses: ips}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	text := append(pem.EncodeToMemory(&pem.Block{Type: "EC PARAMETERS"}), pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})...)
	if err := os.WriteFile(file, text, 0o600); err != nil {
		t.Fatal(err)
	}
}

// Files that the section of a node names are relative to the file, and its metrics are read with the same token.
func TestNodeFiles(t *testing.T) {
	c, err := config.Parse("/etc/engramd/agent.yaml", []byte("version: 1\ntargets: [{name: far, node: {url: \"https://far:7432\", token_file: token, ca_file: ca.pem, server_name: near}}]\n"), withNode())
	if err != nil {
		t.Fatal(err)
	}
	s := c.Metrics.Scrape[0]
	if s.BearerTokenFile != "/etc/engramd/token" || s.CAFile != "/etc/engramd/ca.pem" || s.ServerName != "near" || c.Targets[0].Specs["node"].(*node.Spec).TokenFile != "/etc/engramd/token" {
		t.Errorf("%+v", s)
	}
}

// One's own target for the embedded node may name the volume that it is on, and nothing else has its address.
func TestOwnTargetOfTheEmbeddedNode(t *testing.T) {
	const text = "version: 1\nnode: {enabled: true}\ntargets: [{name: mine, node: {url: \"http://127.0.0.1:7432\"}, %s}]\n"
	for more, fine := range map[string]bool{"volume: {path: /data}": true, "docker: {container: app}": false} {
		_, err := config.Parse("agent.yaml", []byte(strings.Replace(text, "%s", more, 1)), built())
		if told := err != nil && strings.Contains(err.Error(), "have the same address"); told == fine {
			t.Errorf("%s: %v", more, err)
		}
	}
}
