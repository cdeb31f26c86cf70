package docker

import (
	"archive/tar"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/moby/moby/api/types/build"
	"github.com/moby/moby/client"

	"github.com/engramd/engramd/testenv"
)

// A Variant is what an image of the workload is like, beyond its binary.
type Variant struct {
	HealthCheck bool              // Docker's own health check, every half second
	Env         map[string]string // such as WORKLOAD_UNHEALTHY
	Volumes     []string          // anonymous volumes
	Labels      map[string]string
}

// Good is an image that works and has no health check of Docker's.
func Good() Variant { return Variant{} }

// Checked is an image that works, with Docker's health check.
func Checked() Variant { return Variant{HealthCheck: true} }

// Unhealthy is an image that starts, with Docker's health check, whose health fails.
func Unhealthy() Variant {
	return Variant{HealthCheck: true, Env: map[string]string{"WORKLOAD_UNHEALTHY": "always"}}
}

// Crashing is an image that exits with status 3 as soon as it was started.
func Crashing() Variant { return Variant{Env: map[string]string{"WORKLOAD_CRASH": "always"}} }

// WithVolume is an image that works and declares an anonymous volume at /data, which the workload claims for itself.
func WithVolume() Variant {
	return Variant{Volumes: []string{"/data"}, Env: map[string]string{"WORKLOAD_DATA": "/data"}}
}

// BuildImage builds an image of the workload from scratch, with the engine's classic builder, and returns its id.
func (d *Daemon) BuildImage(t testing.TB, name string, variant Variant) (id string) {
	t.Helper()
	archive, err := buildContext(testenv.Build(t, "testenv/workload"), variant.dockerfile())
	if err != nil {
		t.Fatalf("testenv: build %s: %v", name, err)
	}
	result, err := d.client.ImageBuild(t.Context(), archive, client.ImageBuildOptions{
		Tags: []string{name}, Version: build.BuilderV1, Remove: true, ForceRemove: true,
	})
	if err == nil {
		err = errors.Join(awaitBuild(result.Body), result.Body.Close())
	}
	if err != nil {
		t.Fatalf("testenv: build %s: %v", name, err)
	}
	image, err := d.client.ImageInspect(t.Context(), name)
	if err != nil {
		t.Fatalf("testenv: build %s: %v", name, err)
	}
	return image.ID
}

// dockerfile begins with what all variants share, so that the engine builds it once.
func (v Variant) dockerfile() string {
	var b strings.Builder
	b.WriteString("FROM scratch\nCOPY workload /workload\nENV WORKLOAD_LISTEN=0.0.0.0:8080\nEXPOSE 8080\nENTRYPOINT [\"/workload\"]\n")
	for _, key := range slices.Sorted(maps.Keys(v.Env)) {
		fmt.Fprintf(&b, "ENV %s=%q\n", key, v.Env[key])
	}
	for _, key := range slices.Sorted(maps.Keys(v.Labels)) {
		fmt.Fprintf(&b, "LABEL %q=%q\n", key, v.Labels[key])
	}
	for _, volume := range v.Volumes {
		fmt.Fprintf(&b, "VOLUME %q\n", volume)
	}
	if v.HealthCheck {
		b.WriteString("HEALTHCHECK --interval=500ms --timeout=2s --retries=2 CMD [\"/workload\", \"health\"]\n")
	}
	return b.String()
}

// buildContext packs what the builder needs.
func buildContext(binary, dockerfile string) (io.Reader, error) {
	program, err := os.ReadFile(binary)
	if err != nil {
		return nil, err
	}
	var archive bytes.Buffer
	w := tar.NewWriter(&archive)
	for _, file := range []struct {
		name    string
		mode    int64
		content []byte
	}{{"Dockerfile", 0o644, []byte(dockerfile)}, {"workload", 0o755, program}} {
		if err := w.WriteHeader(&tar.Header{Name: file.name, Mode: file.mode, Size: int64(len(file.content))}); err != nil {
			return nil, err
		}
		if _, err := w.Write(file.content); err != nil {
			return nil, err
		}
	}
	return &archive, w.Close()
}

// awaitBuild reads the builder's messages to their end; an error is one of them.
func awaitBuild(messages io.Reader) error {
	for decoder := json.NewDecoder(messages); ; {
		var message struct {
			Error string `json:"error"`
		}
		switch err := decoder.Decode(&message); {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return fmt.Errorf("read the builder's messages: %w", err)
		case message.Error != "":
			return errors.New(message.Error)
		}
	}
}
