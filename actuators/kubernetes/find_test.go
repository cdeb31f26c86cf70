package kubernetes_test

import (
	"strings"
	"testing"

	authorizationv1 "k8s.io/api/authorization/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/version"
	fakediscovery "k8s.io/client-go/discovery/fake"
	clienttesting "k8s.io/client-go/testing"

	"github.com/engramd/engramd/actuators/kubernetes"
)

func TestFind(t *testing.T) {
	m := newModel(t)
	m.start(service{name: "web", resources: requirements("1", "1Gi")})
	m.start(service{kind: "StatefulSet", name: "db", change: func(p *corev1.PodTemplateSpec) {
		p.Spec.Containers = append(p.Spec.Containers, corev1.Container{Name: "backup", Image: "backup:1", Resources: ratio("100m", "1")})
	}})
	found, err := m.driver.Find(t.Context())
	m.must(err)
	var said []string
	for _, f := range found {
		s := f.Spec.(*kubernetes.Spec)
		if err := kubernetes.Check(s); err != nil {
			t.Errorf("%s: what was found is not a target: %v", f.Name, err)
		}
		said = append(said, f.Name+" "+s.Deployment+s.StatefulSet+"/"+s.Container+": "+f.Note)
	}
	equal(t, "found", said, []string{
		"db-app db/app: StatefulSet, image app:1, cpu none, memory none: nothing to resize, since it has neither requests nor limits",
		"db-backup db/backup: StatefulSet, image backup:1, cpu 1 (request 100m), memory none",
		"web web/app: Deployment, image app:1, cpu 1, memory 1Gi",
	})
}

func TestProbe(t *testing.T) {
	cases := []struct {
		minor   string
		denied  string
		resizes bool
		want    string
	}{
		{"36", "", true, "stable"},
		{"33+", "", true, "beta"},
		{"32", "", false, "cannot resize a running pod"},
		{"36", "pods/resize", true, "missing in namespace prod: patch pods/resize"},
	}
	for _, c := range cases {
		t.Run(c.minor+c.denied, func(t *testing.T) {
			m := newModel(t)
			m.api.Discovery().(*fakediscovery.FakeDiscovery).FakedServerVersion = &version.Info{Major: "1", Minor: c.minor, GitVersion: "v1." + c.minor}
			m.api.PrependReactor("create", "selfsubjectaccessreviews", func(a clienttesting.Action) (bool, runtime.Object, error) {
				r := a.(clienttesting.CreateAction).GetObject().(*authorizationv1.SelfSubjectAccessReview).DeepCopy()
				of := r.Spec.ResourceAttributes
				r.Status.Allowed = c.denied == "" || of.Resource+"/"+of.Subresource != c.denied
				return true, r, nil
			})
			findings := m.driver.Probe(t.Context())
			var said []string
			for _, f := range findings {
				said = append(said, f.Detail)
				if !f.OK && f.Remedy == "" {
					t.Errorf("%s is not well, and nobody says what to do", f.What)
				}
			}
			if len(findings) != 3 || !findings[0].OK || findings[1].OK != c.resizes || findings[2].OK != (c.denied == "") {
				t.Errorf("findings %+v", findings)
			}
			if text := strings.Join(said, "\n"); !strings.Contains(text, c.want) {
				t.Errorf("findings %q, want %q", text, c.want)
			}
		})
	}
}

func TestProbeOfNobody(t *testing.T) {
	m := newModel(t)
	m.set(func(m *model) { m.away = true })
	if findings := m.driver.Probe(t.Context()); len(findings) != 1 || findings[0].OK || findings[0].Remedy == "" {
		t.Errorf("findings %+v", findings)
	}
}
