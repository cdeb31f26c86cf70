package kubernetes

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/util/yaml"
	"k8s.io/client-go/discovery/cached/memory"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/restmapper"
)

// FieldManager is the name under which Apply changes objects: that of kubectl, whose part it plays.
const FieldManager = "kubectl"

// Apply applies the objects of a YAML text as `kubectl apply --server-side --force-conflicts` does: who applies them owns
// every field from then on. Those without a namespace go to the given one.
func (c *Cluster) Apply(t testing.TB, namespace, manifest string) {
	t.Helper()
	c.each(t, namespace, manifest, func(to dynamic.ResourceInterface, object *unstructured.Unstructured) error {
		_, err := to.Apply(t.Context(), object.GetName(), object, metav1.ApplyOptions{FieldManager: FieldManager, Force: true})
		return err
	})
}

// Create makes the objects of a YAML text as `kubectl create` does: nobody applies them again.
func (c *Cluster) Create(t testing.TB, namespace, manifest string) {
	t.Helper()
	c.each(t, namespace, manifest, func(to dynamic.ResourceInterface, object *unstructured.Unstructured) error {
		_, err := to.Create(t.Context(), object, metav1.CreateOptions{FieldManager: FieldManager + "-create"})
		return err
	})
}

// each does something with each object of a YAML text.
func (c *Cluster) each(t testing.TB, namespace, manifest string, do func(dynamic.ResourceInterface, *unstructured.Unstructured) error) {
	t.Helper()
	objects, err := decode(manifest)
	if err != nil {
		t.Fatalf("testenv: %v", err)
	}
	for _, object := range objects {
		resource, err := c.resource(namespace, object)
		if err == nil {
			err = do(resource, object)
		}
		if err != nil {
			t.Fatalf("testenv: %s %s: %v", object.GetKind(), object.GetName(), err)
		}
	}
}

func decode(manifest string) (objects []*unstructured.Unstructured, err error) {
	for decoder := yaml.NewYAMLOrJSONDecoder(strings.NewReader(manifest), 4096); ; {
		object := &unstructured.Unstructured{}
		if err := decoder.Decode(object); errors.Is(err, io.EOF) {
			return objects, nil
		} else if err != nil {
			return nil, fmt.Errorf("decode the manifest: %w", err)
		}
		if len(object.Object) > 0 {
			objects = append(objects, object)
		}
	}
}

// resource is where an object goes.
func (c *Cluster) resource(namespace string, object *unstructured.Unstructured) (dynamic.ResourceInterface, error) {
	client, err := dynamic.NewForConfig(c.admin)
	if err != nil {
		return nil, err
	}
	mapper := restmapper.NewDeferredDiscoveryRESTMapper(memory.NewMemCacheClient(c.client.Discovery()))
	kind := object.GroupVersionKind()
	mapping, err := mapper.RESTMapping(kind.GroupKind(), kind.Version)
	if err != nil {
		return nil, err
	}
	if mapping.Scope.Name() != meta.RESTScopeNameNamespace {
		return client.Resource(mapping.Resource), nil
	}
	if own := object.GetNamespace(); own != "" {
		namespace = own
	}
	return client.Resource(mapping.Resource).Namespace(namespace), nil
}
