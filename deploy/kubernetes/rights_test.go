package kubernetes_test

import (
	"bufio"
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"

	cluster "github.com/engramd/engramd/testenv/kubernetes"
)

// A right is one verb on one resource: "patch pods/resize", "list apps/replicasets".
type right string

func rightOf(verb, group, resource, sub string) right {
	if group != "" {
		resource = group + "/" + resource
	}
	if sub != "" {
		resource += "/" + sub
	}
	return right(verb + " " + resource)
}

// granted are the rights that the roles among objects give.
func granted(t *testing.T, objects []*unstructured.Unstructured) map[right]bool {
	t.Helper()
	all := map[right]bool{}
	for _, o := range objects {
		if o.GetKind() != "Role" && o.GetKind() != "ClusterRole" {
			continue
		}
		var role rbacv1.Role // both have their rules in the same place
		if err := runtime.DefaultUnstructuredConverter.FromUnstructured(o.Object, &role); err != nil {
			t.Fatal(err)
		}
		for _, rule := range role.Rules {
			if len(rule.ResourceNames)+len(rule.NonResourceURLs) > 0 {
				t.Fatalf("%s: the test knows no rules with names or URLs", o.GetName())
			}
			for _, group := range rule.APIGroups {
				for _, resource := range rule.Resources {
					for _, verb := range rule.Verbs {
						all[rightOf(verb, group, resource, "")] = true
					}
				}
			}
		}
	}
	return all
}

// audited is one line of the API server's audit log.
type audited struct {
	User      struct{ Username string }
	Verb      string
	ObjectRef *struct{ Resource, Subresource, APIGroup string }
	// ResponseStatus is absent while the request is under way.
	ResponseStatus *struct{ Code int }
	RequestURI     string
}

// asked are the rights that a user made use of, and the requests that were denied.
func asked(t *testing.T, c *cluster.Cluster, user string) (used map[right]bool, denied []string) {
	t.Helper()
	f, err := os.Open(filepath.Join(filepath.Dir(c.Kubeconfig()), "audit.log"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	used = map[right]bool{}
	lines := bufio.NewScanner(f)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var a audited
		if err := json.Unmarshal(lines.Bytes(), &a); err != nil {
			t.Fatal(err)
		}
		if a.User.Username != user || a.ObjectRef == nil {
			continue
		}
		one := rightOf(a.Verb, a.ObjectRef.APIGroup, a.ObjectRef.Resource, a.ObjectRef.Subresource)
		used[one] = true
		if a.ResponseStatus != nil && a.ResponseStatus.Code == 403 {
			denied = append(denied, string(one))
		}
	}
	if err := lines.Err(); err != nil {
		t.Fatal(err)
	}
	return used, denied
}

// compare fails the test for every right that is missing or superfluous.
func compare(t *testing.T, granted, used map[right]bool) {
	t.Helper()
	if diff := cmp.Diff(slices.Sorted(maps.Keys(granted)), slices.Sorted(maps.Keys(used))); diff != "" {
		t.Errorf("the roles grant (-) what the driver does not use, or it uses (+) what they do not grant:\n%s", diff)
	}
}

// rolesIn are the objects that rights are made of.
func rolesIn(objects []*unstructured.Unstructured) []*unstructured.Unstructured {
	kinds := []string{"ServiceAccount", "Role", "RoleBinding", "ClusterRole", "ClusterRoleBinding"}
	return slices.DeleteFunc(slices.Clone(objects), func(o *unstructured.Unstructured) bool { return !slices.Contains(kinds, o.GetKind()) })
}
