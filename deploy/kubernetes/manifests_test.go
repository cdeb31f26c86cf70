package kubernetes_test

import (
	"fmt"
	"slices"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	"k8s.io/client-go/kubernetes/scheme"

	"github.com/engramd/engramd/actuators"
	"github.com/engramd/engramd/actuators/kubernetes"
	"github.com/engramd/engramd/agent/config"
)

var directories = []string{"agent", "sidecar", "storage"}

// TestEveryFileIsListed wants no manifest that kustomize would pass over.
func TestEveryFileIsListed(t *testing.T) {
	for _, dir := range directories {
		k := kustomizationOf(t, dir)
		listed := append([]string{"kustomization.yaml"}, k.Resources...)
		for _, g := range k.ConfigMapGenerator {
			listed = append(listed, g.Files...)
		}
		there := files(t, dir)
		slices.Sort(listed)
		if !slices.Equal(listed, there) {
			t.Errorf("%s: its kustomization lists %q, and there are %q", dir, listed, there)
		}
	}
}

// TestManifestsAreWhatTheySay decodes each strictly: a misspelt field would be dropped by the API server.
func TestManifestsAreWhatTheySay(t *testing.T) {
	strict := serializer.NewCodecFactory(scheme.Scheme, serializer.EnableStrict).UniversalDeserializer()
	for _, o := range (variant{dirs: directories, namespace: "test"}).build(t) {
		text, err := o.MarshalJSON()
		if err != nil {
			t.Fatal(err)
		}
		if _, _, err := strict.Decode(text, nil, nil); err != nil {
			t.Errorf("%s %s: %v", o.GetKind(), o.GetName(), err)
		}
	}
}

// TestConfigurations checks every agent.yaml here as the agent itself does.
func TestConfigurations(t *testing.T) {
	for dir, mode := range map[string]string{"agent": "approve", "sidecar": "auto"} {
		cfg, err := config.Parse(dir+"/agent.yaml", read(t, dir+"/agent.yaml"), actuators.Registry{"kubernetes": kubernetes.Platform()})
		if err != nil {
			t.Error(err)
			continue
		}
		if string(cfg.Mode) != mode {
			t.Errorf("%s: mode %s", dir, cfg.Mode)
		}
	}
}

// TestTheTestsConfiguration spares a cluster from finding out.
func TestTheTestsConfiguration(t *testing.T) {
	for _, spec := range []string{"{deployment: web, container: app}", "{self: true, container: app}"} {
		if _, err := config.Parse("agent.yaml", fmt.Appendf(nil, grows, spec, 0.15), actuators.Registry{"kubernetes": kubernetes.Platform()}); err != nil {
			t.Error(err)
		}
	}
}

// TestContainersMayDoLittle holds engramd's containers to what they need.
func TestContainersMayDoLittle(t *testing.T) {
	seen := 0
	for _, o := range (variant{dirs: directories, namespace: "test"}).build(t) {
		spec, ok := podOf(t, o)
		if !ok {
			continue
		}
		switch c := spec.SecurityContext; {
		case spec.HostNetwork || spec.HostPID || spec.HostIPC:
			t.Errorf("%s is in a namespace of the host", o.GetName())
		case c.RunAsNonRoot == nil || !*c.RunAsNonRoot || c.SeccompProfile.Type != corev1.SeccompProfileTypeRuntimeDefault:
			t.Errorf("%s: its pods may do more than they need", o.GetName())
		case spec.AutomountServiceAccountToken == nil || *spec.AutomountServiceAccountToken:
			t.Errorf("%s: every container gets the token", o.GetName())
		}
		for _, v := range spec.Volumes {
			if v.HostPath != nil {
				t.Errorf("%s: volume %s is the host's", o.GetName(), v.Name)
			}
		}
		for _, c := range spec.Containers {
			if c.Name != "engramd" {
				continue
			}
			seen++
			s := c.SecurityContext
			if *s.AllowPrivilegeEscalation || !*s.ReadOnlyRootFilesystem || !slices.Equal(s.Capabilities.Drop, []corev1.Capability{"ALL"}) || s.Capabilities.Add != nil {
				t.Errorf("%s: engramd may do more than it needs: %v", o.GetName(), s)
			}
			if c.Resources.Limits.Memory().IsZero() || c.Resources.Requests.Cpu().IsZero() || c.LivenessProbe == nil {
				t.Errorf("%s: engramd is not bounded or not watched", o.GetName())
			}
		}
	}
	if seen != 2 {
		t.Errorf("want two containers of engramd, got %d", seen)
	}
}

func podOf(t *testing.T, o *unstructured.Unstructured) (corev1.PodSpec, bool) {
	t.Helper()
	tree, ok, err := unstructured.NestedMap(o.Object, "spec", "template", "spec")
	if err != nil {
		t.Fatal(err)
	}
	var spec corev1.PodSpec
	if !ok {
		return spec, false
	}
	if err := runtime.DefaultUnstructuredConverter.FromUnstructured(tree, &spec); err != nil {
		t.Fatal(err)
	}
	return spec, true
}
