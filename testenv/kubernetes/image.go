package kubernetes

import (
	"archive/tar"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/engramd/engramd/testenv"
)

// containerdSocket is seen in the node's namespaces only.
const containerdSocket = "/run/containerd.sock"

// An Image is made from scratch of static programs.
type Image struct {
	Name    string            // such as engramd.test/workload:1
	Files   map[string]string // the path in the image, and the file on this machine
	Command []string
	Env     map[string]string
	User    string
}

// WorkloadImage is the name of the image of the workload, which serves on :8080.
const WorkloadImage = "engramd.test/workload:1"

// Workload is the workload's image, of a program that was built already.
func Workload(binary string) Image {
	return Image{
		Name: WorkloadImage, Files: map[string]string{"/workload": binary}, Command: []string{"/workload"},
		Env: map[string]string{"WORKLOAD_LISTEN": "0.0.0.0:8080"},
	}
}

// LoadWorkload loads the workload's image under a name, with WORKLOAD_* variables on top, and returns the name. The empty
// name is WorkloadImage.
func (c *Cluster) LoadWorkload(t testing.TB, name string, env map[string]string) string {
	t.Helper()
	image := Workload(testenv.Build(t, "testenv/workload"))
	if name != "" {
		image.Name = name
	}
	maps.Copy(image.Env, env)
	c.Load(t, image)
	return image.Name
}

// Load loads an image into the node, unless one of that name is there already.
func (c *Cluster) Load(t testing.TB, image Image) {
	t.Helper()
	if err := c.LoadImage(image); err != nil {
		t.Fatalf("testenv: %v", err)
	}
}

// LoadImage is Load for what is no test.
func (c *Cluster) LoadImage(image Image) error {
	c.node.loading.Lock()
	defer c.node.loading.Unlock()
	if c.node.hasImage[image.Name] {
		return nil
	}
	file := c.env.path("tmp", "image.tar")
	if err := image.write(file); err != nil {
		return fmt.Errorf("make the image %s: %w", image.Name, err)
	}
	defer os.Remove(file)
	ctr := filepath.Join(c.programs, "ctr")
	if err := run(c.target(), ctr, "-a", containerdSocket, "-n", "k8s.io", "images", "import", "--local", file); err != nil {
		return fmt.Errorf("load the image %s: %w", image.Name, err)
	}
	c.node.hasImage[image.Name] = true
	return nil
}

// Ctr is the command line that talks to the node's containerd from outside.
func (c *Cluster) Ctr() []string {
	return []string{"nsenter", "-t", fmt.Sprint(c.target()), "-m", "-n", "-p", filepath.Join(c.programs, "ctr"), "-a", containerdSocket, "-n", "k8s.io"}
}

// write writes the image as `docker save` does: a layer, a configuration that names its sum, and a manifest.
func (i Image) write(file string) error {
	layer, err := i.layer()
	if err != nil {
		return err
	}
	sum := sha256.Sum256(layer)
	var env []string
	for _, key := range slices.Sorted(maps.Keys(i.Env)) {
		env = append(env, key+"="+i.Env[key])
	}
	config, err := json.Marshal(map[string]any{
		"architecture": runtime.GOARCH, "os": "linux",
		"config": map[string]any{"Entrypoint": i.Command, "Env": env, "User": i.User},
		"rootfs": map[string]any{"type": "layers", "diff_ids": []string{"sha256:" + hex.EncodeToString(sum[:])}},
	})
	if err != nil {
		return err
	}
	manifest, err := json.Marshal([]map[string]any{{"Config": "config.json", "RepoTags": []string{i.Name}, "Layers": []string{"layer.tar"}}})
	if err != nil {
		return err
	}
	f, err := os.Create(file)
	if err != nil {
		return err
	}
	defer f.Close()
	return pack(f, []entry{{"manifest.json", 0o644, manifest}, {"config.json", 0o644, config}, {"layer.tar", 0o644, layer}})
}

func (i Image) layer() ([]byte, error) {
	var entries []entry
	for _, path := range slices.Sorted(maps.Keys(i.Files)) {
		content, err := os.ReadFile(i.Files[path])
		if err != nil {
			return nil, err
		}
		entries = append(entries, entry{strings.TrimPrefix(path, "/"), 0o755, content})
	}
	var layer bytes.Buffer
	err := pack(&layer, entries)
	return layer.Bytes(), err
}

type entry struct {
	name    string
	mode    int64
	content []byte
}

func pack(to io.Writer, entries []entry) error {
	w := tar.NewWriter(to)
	for _, e := range entries {
		if err := w.WriteHeader(&tar.Header{Name: e.name, Mode: e.mode, Size: int64(len(e.content))}); err != nil {
			return err
		}
		if _, err := w.Write(e.content); err != nil {
			return err
		}
	}
	return w.Close()
}
