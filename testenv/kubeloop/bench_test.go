package kubeloop_test

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/yaml"
	"k8s.io/client-go/rest"

	manifests "github.com/engramd/engramd/deploy/kubernetes"
	"github.com/engramd/engramd/testenv"
	"github.com/engramd/engramd/testenv/cgroupfs"
	"github.com/engramd/engramd/testenv/kubernetes"
	"github.com/engramd/engramd/testenv/loop"
)

func TestMain(m *testing.M) { os.Exit(kubernetes.Main(m)) }

// soon is what anything may take that takes seconds on a machine with nothing else to do.
const soon = 90 * time.Second

// What the workloads start from and are to have, in cores and as the JSON has it.
const (
	small, big   = 0.1, 0.2
	smallQ, bigQ = loop.Quantity("100"), loop.Quantity("200")
)

// How an action ends that is at its new size, and one that is not.
const (
	stays     = "inconclusive committed"
	takenBack = "rolled_back"
)

// image2 is what a user rolls out meanwhile.
const image2 = "engramd.test/workload:2"

// A bench is the node with a namespace of the test's own, and access for engramd.
type bench struct {
	c         *kubernetes.Cluster
	namespace string
	access    *rest.Config
}

func newBench(t *testing.T) *bench {
	t.Helper()
	c := kubernetes.Shared(t)
	c.LoadWorkload(t, "", nil)
	c.LoadWorkload(t, image2, nil)
	b := &bench{c: c, namespace: c.Namespace(t)}
	b.access = c.ServiceAccount(t, b.namespace, "engramd", rights(t)...)
	b.grantCluster(t)
	return b
}

// rights are what deploy/kubernetes grants in a namespace, with what volumes need.
func rights(t *testing.T) (rules []rbacv1.PolicyRule) {
	t.Helper()
	for _, name := range []string{"agent/role.yaml", "storage/role.yaml"} {
		text, err := manifests.Files.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		var role rbacv1.Role // the first object of the file; the rest binds it
		if err := yaml.NewYAMLOrJSONDecoder(bytes.NewReader(text), 4096).Decode(&role); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		rules = append(rules, role.Rules...)
	}
	return rules
}

// grantCluster lets engramd's account read what belongs to no namespace: what the kubelet meters, and whether volumes grow.
func (b *bench) grantCluster(t *testing.T) {
	t.Helper()
	name := metav1.ObjectMeta{Name: "engramd-" + b.namespace}
	roles := b.c.Client().RbacV1()
	_, err := roles.ClusterRoles().Create(t.Context(), &rbacv1.ClusterRole{ObjectMeta: name, Rules: []rbacv1.PolicyRule{
		{APIGroups: []string{""}, Resources: []string{"nodes/metrics"}, Verbs: []string{"get"}},
		{APIGroups: []string{"storage.k8s.io"}, Resources: []string{"storageclasses"}, Verbs: []string{"get"}},
	}}, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	_, err = roles.ClusterRoleBindings().Create(t.Context(), &rbacv1.ClusterRoleBinding{
		ObjectMeta: name,
		RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: name.Name},
		Subjects:   []rbacv1.Subject{{Kind: rbacv1.ServiceAccountKind, Namespace: b.namespace, Name: "engramd"}},
	}, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = roles.ClusterRoleBindings().Delete(context.Background(), name.Name, metav1.DeleteOptions{}) // it goes with the node
		_ = roles.ClusterRoles().Delete(context.Background(), name.Name, metav1.DeleteOptions{})
	})
}

// kubeconfig writes the access of engramd, by way of a gate if there is one.
func (b *bench) kubeconfig(t *testing.T, gate *loop.Gate) string {
	t.Helper()
	access := rest.CopyConfig(b.access)
	if gate != nil {
		access.Host, access.CAData, access.BearerToken = gate.Host(), nil, ""
	}
	path := filepath.Join(t.TempDir(), "kubeconfig")
	b.c.WriteKubeconfig(t, path, access)
	return path
}

// gate opens a gate to the API server, where whatever comes through it is engramd: clients give no token to a server
// without TLS, which the gate is.
func (b *bench) gate(t *testing.T) *loop.Gate {
	t.Helper()
	transport, err := rest.TransportFor(b.access)
	if err != nil {
		t.Fatal(err)
	}
	return loop.OpenGateTo(t, b.c.URL(), transport)
}

// A service is a workload of the test, as its user has made it.
type service struct {
	kind     string // Deployment, StatefulSet
	name     string
	replicas int
	image    string
	sick     bool   // its readiness fails at the new size
	cpu      string // its limit; 100m
}

const manifest = `
apiVersion: apps/v1
kind: %[1]s
metadata: {name: %[2]s}
spec:
  replicas: %[3]d
  selector: {matchLabels: {app: %[2]s}}
  %[7]s
  template:
    metadata: {labels: {app: %[2]s}}
    spec:
      terminationGracePeriodSeconds: 2
      containers:
      - name: engram
        image: %[4]s
        imagePullPolicy: Never
        env: [{name: WORKLOAD_UNHEALTHY, value: %[5]q}]
        readinessProbe: {httpGet: {path: /health, port: 8080}, periodSeconds: 1, timeoutSeconds: 3, failureThreshold: 2}
        resources: {requests: {cpu: %[6]s, memory: 64Mi}, limits: {cpu: %[6]s, memory: 64Mi}}
`

// create does what the user's `kubectl create` does.
func (b *bench) create(t *testing.T, s service) {
	t.Helper()
	own, unhealthy := "", "never"
	if s.kind == "StatefulSet" {
		own = "serviceName: " + s.name
	} else {
		own = "progressDeadlineSeconds: 30"
	}
	if s.sick {
		unhealthy = "cpus>0.15"
	}
	if s.image == "" {
		s.image = kubernetes.WorkloadImage
	}
	if s.cpu == "" {
		s.cpu = "100m"
	}
	b.c.Create(t, b.namespace, fmt.Sprintf(manifest, s.kind, s.name, s.replicas, s.image, unhealthy, s.cpu, own))
}

// run creates a service and waits for its pods.
func (b *bench) run(t *testing.T, s service) []corev1.Pod {
	t.Helper()
	b.create(t, s)
	return b.await(t, s.name, s.replicas)
}

func (b *bench) await(t *testing.T, name string, replicas int) []corev1.Pod {
	t.Helper()
	return b.c.AwaitPods(t, b.namespace, "app="+name, replicas)
}

// pods are those of a service that nobody is deleting.
func (b *bench) pods(t *testing.T, name string) []corev1.Pod {
	t.Helper()
	return b.c.Pods(t, b.namespace, "app="+name)
}

// throttled is the share of the periods, of some seconds, in which the kernel held the pods' containers back.
func throttled(t *testing.T, pods []corev1.Pod) float64 {
	t.Helper()
	read := func() (sum cgroupfs.CPUStat) {
		for _, pod := range pods {
			one := testenv.CPUStat(t, kubernetes.ContainerID(t, pod, "engram"))
			sum.Periods, sum.Throttled = sum.Periods+one.Periods, sum.Throttled+one.Throttled
		}
		return sum
	}
	var share float64
	was, began := read(), time.Now()
	testenv.Eventually(t, soon, "the kernel has counted some periods", func() bool {
		now := read()
		share = float64(now.Throttled-was.Throttled) / float64(now.Periods-was.Periods)
		return now.Periods >= was.Periods+50 && time.Since(began) > 4*time.Second
	})
	return share
}

// limit is what the kernel enforces on a pod's container, in cores.
func limit(t *testing.T, pod corev1.Pod) float64 {
	t.Helper()
	return testenv.CPULimit(t, kubernetes.ContainerID(t, pod, "engram"))
}

// asks is the limit that a pod's container asks for, in thousandths of a core.
func asks(pod corev1.Pod) int64 { return pod.Spec.Containers[0].Resources.Limits.Cpu().MilliValue() }

// expectLimits wants every pod of a service to have a limit, in the kernel.
func (b *bench) expectLimits(t *testing.T, name string, want float64) {
	t.Helper()
	for _, pod := range b.pods(t, name) {
		if got := limit(t, pod); got != want {
			t.Errorf("the limit of %s is %v cores in the kernel, want %v", pod.Name, got, want)
		}
	}
}

// expectUntouched wants the very pods that there were, never restarted.
func (b *bench) expectUntouched(t *testing.T, name string, before []corev1.Pod) {
	t.Helper()
	now := b.pods(t, name)
	if !slices.EqualFunc(before, now, func(x, y corev1.Pod) bool { return x.UID == y.UID }) {
		t.Errorf("the pods of %s are others than before", name)
	}
	for _, pod := range now {
		for _, status := range pod.Status.ContainerStatuses {
			if status.RestartCount != 0 {
				t.Errorf("%s of %s was restarted %d times", status.Name, pod.Name, status.RestartCount)
			}
		}
	}
}
