package kubernetes_test

import (
	"errors"
	"io"
	"io/fs"
	"path"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/util/yaml"

	manifests "github.com/engramd/engramd/deploy/kubernetes"
)

// A kustomization is as much of kustomize as the manifests use: what is not here is a fault, so that
// kubectl apply -k and these tests see the same.
type kustomization struct {
	APIVersion string `json:"apiVersion"`
	Kind       string `json:"kind"`
	Namespace  string `json:"namespace,omitempty"`
	Labels     []struct {
		Pairs map[string]string `json:"pairs"`
	} `json:"labels,omitempty"`
	Resources          []string `json:"resources"`
	ConfigMapGenerator []struct {
		Name  string   `json:"name"`
		Files []string `json:"files"`
	} `json:"configMapGenerator,omitempty"`
}

func read(t *testing.T, name string) []byte {
	t.Helper()
	text, err := manifests.Files.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func kustomizationOf(t *testing.T, dir string) kustomization {
	t.Helper()
	var k kustomization
	if err := yaml.UnmarshalStrict(read(t, path.Join(dir, "kustomization.yaml")), &k); err != nil {
		t.Fatalf("%s: %v", dir, err)
	}
	return k
}

// A variant is how a test wants the manifests of a directory.
type variant struct {
	dirs      []string
	namespace string
	// images replaces images, configs files of ConfigMaps.
	images, configs map[string]string
}

// build is what kustomize would print, for one namespace and with other images and configurations.
func (v variant) build(t *testing.T) []*unstructured.Unstructured {
	t.Helper()
	var all []*unstructured.Unstructured
	for _, dir := range v.dirs {
		k := kustomizationOf(t, dir)
		for _, name := range k.Resources {
			all = append(all, decode(t, path.Join(dir, name))...)
		}
		for _, g := range k.ConfigMapGenerator {
			all = append(all, v.configMap(t, dir, g.Name, g.Files))
		}
	}
	for _, o := range all {
		v.adapt(o)
	}
	return all
}

func (v variant) configMap(t *testing.T, dir, name string, files []string) *unstructured.Unstructured {
	t.Helper()
	data := map[string]any{}
	for _, f := range files {
		text, ok := v.configs[f]
		if !ok {
			text = string(read(t, path.Join(dir, f)))
		}
		data[f] = text
	}
	return &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "v1", "kind": "ConfigMap", "metadata": map[string]any{"name": name}, "data": data,
	}}
}

// adapt moves an object to the namespace, and has it use images that are on the node already.
func (v variant) adapt(o *unstructured.Unstructured) {
	if strings.HasPrefix(o.GetKind(), "ClusterRole") { // belongs to no namespace, and may be another test's
		o.SetName(o.GetName() + "-" + v.namespace)
		if ref, ok := o.Object["roleRef"].(map[string]any); ok {
			ref["name"] = ref["name"].(string) + "-" + v.namespace
		}
	}
	subjects, _ := o.Object["subjects"].([]any)
	for _, s := range subjects {
		s.(map[string]any)["namespace"] = v.namespace
	}
	containers, _, _ := unstructured.NestedSlice(o.Object, "spec", "template", "spec", "containers")
	for _, c := range containers {
		one := c.(map[string]any)
		if image, ok := v.images[one["image"].(string)]; ok {
			one["image"], one["imagePullPolicy"] = image, "Never"
		}
	}
	if containers != nil {
		_ = unstructured.SetNestedSlice(o.Object, containers, "spec", "template", "spec", "containers") // it was one
	}
}

func decode(t *testing.T, name string) []*unstructured.Unstructured {
	t.Helper()
	var all []*unstructured.Unstructured
	d := yaml.NewYAMLOrJSONDecoder(strings.NewReader(string(read(t, name))), 4096)
	for {
		o := &unstructured.Unstructured{}
		err := d.Decode(o)
		if errors.Is(err, io.EOF) {
			return all
		}
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if len(o.Object) > 0 {
			all = append(all, o)
		}
	}
}

func text(t *testing.T, objects []*unstructured.Unstructured) string {
	t.Helper()
	var b strings.Builder
	for _, o := range objects {
		one, err := o.MarshalJSON()
		if err != nil {
			t.Fatal(err)
		}
		b.WriteString("---\n" + string(one) + "\n")
	}
	return b.String()
}

func files(t *testing.T, dir string) []string {
	t.Helper()
	entries, err := fs.ReadDir(manifests.Files, dir)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}
