package deploy

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/moby/moby/client"

	"github.com/engramd/engramd/testenv"
	"github.com/engramd/engramd/testenv/docker"
)

// The names of the images that [BuildImages] builds.
const (
	Image = "engram:latest"
	Tools = "engram:tools"
)

// BuildImages builds both images with make image-tools, as a user does, on the test's engine. Roots is the bundle of
// certificates that goes inside.
func BuildImages(t testing.TB, d *docker.Daemon, roots string) {
	t.Helper()
	command := testenv.Tool(t, "docker", "docker.io")
	testenv.Tool(t, "curl", "curl")
	scratch := t.TempDir()
	cmd := exec.CommandContext(t.Context(), testenv.Tool(t, "make", "make"), "image-tools",
		"DOCKER="+command+" --host "+d.Host(), "CONTEXT="+filepath.Join(scratch, "image"), "CA_ROOTS="+roots)
	cmd.Dir = top(t)
	cmd.Env = append(os.Environ(), "DOCKER_BUILDKIT=0") // the classic builder: the engine here may have no other
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("make image-tools: %v\n%s", err, out)
	}
	for _, name := range []string{Image, Tools} {
		image, err := d.Client().ImageInspect(t.Context(), name)
		if err != nil {
			t.Fatalf("make image-tools made no %s: %v\n%s", name, err, out)
		}
		t.Logf("%s: %.1f MB", name, float64(image.Size)/1e6)
	}
}

// top is the directory of the project.
func top(t testing.TB) string {
	t.Helper()
	dir, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for ; dir != "/"; dir = filepath.Dir(dir) {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir
		}
	}
	t.Fatal("this is not inside the project")
	return ""
}

// Start creates and starts a container, and returns its id.
func Start(t testing.TB, d *docker.Daemon, o client.ContainerCreateOptions) string {
	t.Helper()
	created, err := d.Client().ContainerCreate(t.Context(), o)
	if err == nil {
		_, err = d.Client().ContainerStart(t.Context(), created.ID, client.ContainerStartOptions{})
	}
	if err != nil {
		t.Fatalf("start container %s: %v", o.Name, err)
	}
	return created.ID
}

// Logs is what a container has written.
func Logs(t testing.TB, d *docker.Daemon, id string) string {
	t.Helper()
	out, err := exec.Command("docker", "--host", d.Host(), "logs", id).CombinedOutput()
	if err != nil {
		t.Fatalf("docker logs: %v\n%s", err, out)
	}
	return string(out)
}

// Exec runs a command in a container, as docker exec does, and returns what it prints.
func Exec(t testing.TB, d *docker.Daemon, id string, command ...string) (out string, err error) {
	t.Helper()
	text, err := exec.Command("docker", append([]string{"--host", d.Host(), "exec", id}, command...)...).CombinedOutput()
	return string(text), err
}
