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
	text := without(string(readExample(t)), "worker", "api", "api-size", "business-hours") + everything
	c := parse(t, text)
	shown := config.Show(c)
	golden(t, "testdata/show.yaml", string(shown))
	again := parse(t, string(shown))
	if diff := cmp.Diff(string(shown), string(config.Show(again))); diff != "" {
		t.Errorf("shown twice:\n%s", diff)
	}
	diff := cmp.Diff(c, again, cmpopts.IgnoreUnexported(config.Config{}, rules.File{}), cmpopts.IgnoreFields(config.Config{}, "Hash", "Warnings"),
		cmp.AllowUnexported(policy.Quantity{}), cmpopts.EquateEmpty())
	if diff != "" {
		t.Errorf("(-before +after):\n%s", diff)
	}
}

// everything goes below the example, for what the example does not say.
const everything = ``

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
