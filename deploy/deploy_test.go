package deploy_test

import (
	"strings"
	"testing"

	"github.com/engramd/engramd/actuators"
	"github.com/engramd/engramd/actuators/docker"
	"github.com/engramd/engramd/agent/config"
	"github.com/engramd/engramd/deploy"
)

// TestConfigurations checks every agent.yaml here as the agent itself does.
func TestConfigurations(t *testing.T) {
	t.Setenv("ENGRAMD_TOKEN_FILE", "/run/secrets/tokens") // as where they are used
	for _, name := range []string{"image/agent.yaml", "compose-agent.yaml", "systemd/agent.yaml"} {
		text, err := deploy.Files.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		cfg, err := config.Parse(name, text, actuators.Registry{"docker": docker.Platform()})
		if err != nil {
			t.Error(err)
			continue
		}
		if cfg.Mode != "approve" {
			t.Errorf("%s: mode %s changes things without a yes", name, cfg.Mode)
		}
	}
}

// TestImageListensOnlyWithAccess wants the image's configuration refused where nobody says who may come.
func TestImageListensOnlyWithAccess(t *testing.T) {
	text, err := deploy.Files.ReadFile("image/agent.yaml")
	if err != nil {
		t.Fatal(err)
	}
	reg := actuators.Registry{"docker": docker.Platform()}
	t.Setenv("ENGRAMD_TOKEN_FILE", "")
	if _, err := config.Parse("agent.yaml", text, reg); err == nil || !strings.Contains(err.Error(), "is not loopback, and nothing guards it") {
		t.Errorf("without a word about access: %v", err)
	}
	t.Setenv("ENGRAMD_INSECURE", "1")
	cfg, err := config.Parse("agent.yaml", text, reg)
	if err != nil {
		t.Fatalf("with ENGRAMD_INSECURE=1: %v", err)
	}
	if len(cfg.Warnings) == 0 {
		t.Error("nobody is warned that everybody may come")
	}
}
