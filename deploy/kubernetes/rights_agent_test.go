package kubernetes_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"strings"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes/scheme"

	"github.com/engramd/engramd/actuators"
	"github.com/engramd/engramd/actuators/kubernetes"
	"github.com/engramd/engramd/policy"
	"github.com/engramd/engramd/testenv"
)

// workload is a manifest of a workload with one container, whose memory restarts it.
func workload(kind, name, image, more string) string {
	return fmt.Sprintf(`
apiVersion: apps/v1
kind: %s
metadata: {name: %s}
spec:
  selector: {matchLabels: {app: %[2]s}}
  %[4]s
  template:
    metadata: {labels: {app: %[2]s}}
    spec:
      terminationGracePeriodSeconds: 1
      containers:
        - name: app
          image: %[3]s
          imagePullPolicy: Never
          readinessProbe: {httpGet: {path: /health, port: 8080}, periodSeconds: 1}
          resizePolicy: [{resourceName: memory, restartPolicy: RestartContainer}]
          resources: {requests: {cpu: 10m, memory: 32Mi}, limits: {cpu: 100m, memory: 64Mi}}
`, kind, name, image, more)
}

// TestE2EAgentHasTheRightsItUses runs all that the driver does under the agent's account, and compares
// what the API server was asked for with what the manifests grant.
func TestE2EAgentHasTheRightsItUses(t *testing.T) {
	v := variant{dirs: []string{"agent", "storage"}}
	b := newBench(t, "engramd", v)
	v.namespace = b.namespace
	image := b.LoadWorkload(t, "", nil)
	b.create(workload("Deployment", "web", image, "replicas: 2"))
	b.create(workload("DaemonSet", "each", image, ""))
	b.create(workload("StatefulSet", "db", image, "serviceName: db"))

	web := b.target(kubernetes.Spec{Deployment: "web"})
	st := b.settled(web, 2)
	b.lock(web)
	b.events(web)
	b.resize(web, st)
	b.measure(web)
	b.rollOut(web)
	b.scale(web, 2, 3)
	for _, other := range []policy.Target{b.target(kubernetes.Spec{DaemonSet: "each"}), b.target(kubernetes.Spec{StatefulSet: "db"})} {
		st := b.settled(other, 1)
		b.resize(other, st)
		b.rollOut(other)
	}
	b.scale(b.target(kubernetes.Spec{StatefulSet: "db"}), 1, 2)
	b.stuck(b.target(kubernetes.Spec{StatefulSet: "db"}))
	b.expand()
	b.find()
	if err := b.driver.Release(t.Context(), web); err != nil {
		t.Error(err)
	}

	used, denied := asked(t, b.Cluster, b.user)
	used["get nodes/metrics"] = true // it is the kubelet that was asked; see measure
	if len(denied) > 0 {
		t.Errorf("denied: %q", denied)
	}
	compare(t, granted(t, v.build(t)), used)
}

// create makes a workload as kubectl create does. One that is applied belongs to who applies it, and the
// driver does not touch its template.
func (b *bench) create(manifest string) {
	b.t.Helper()
	o, _, err := scheme.Codecs.UniversalDeserializer().Decode([]byte(manifest), nil, nil)
	if err != nil {
		b.t.Fatal(err)
	}
	ctx, opts := b.t.Context(), metav1.CreateOptions{FieldManager: "kubectl-create"}
	switch apps := b.Client().AppsV1(); o := o.(type) {
	case *appsv1.Deployment:
		_, err = apps.Deployments(b.namespace).Create(ctx, o, opts)
	case *appsv1.StatefulSet:
		_, err = apps.StatefulSets(b.namespace).Create(ctx, o, opts)
	case *appsv1.DaemonSet:
		_, err = apps.DaemonSets(b.namespace).Create(ctx, o, opts)
	}
	if err != nil {
		b.t.Fatal(err)
	}
}

// TestE2ENoRights wants every operation to end with what is missing.
func TestE2ENoRights(t *testing.T) {
	v := variant{dirs: []string{"agent", "storage"}}
	b := newBench(t, "engramd", v)
	image := b.LoadWorkload(t, "", nil)
	b.create(workload("Deployment", "web", image, "replicas: 1"))
	web := b.target(kubernetes.Spec{Deployment: "web"})
	st := b.settled(web, 1)
	resize := b.plan(web, st, policy.Size{policy.CPU: policy.Amount(150)})
	scale := b.plan(web, st, policy.Size{policy.Replicas: policy.Amount(2)})
	restarted := web
	restarted.Apply = map[policy.Resource]policy.Apply{policy.CPU: policy.ApplyRestart}
	rollout := b.plan(restarted, st, policy.Size{policy.CPU: policy.Amount(150)})
	b.again("measure", func(ctx context.Context) error { _, err := b.driver.Measure(ctx, web, st.Parts[0]); return err })

	for _, kind := range []string{"Role", "RoleBinding"} {
		b.revoke(kind)
	}
	ctx := t.Context()
	calls := map[string]func() error{
		"observe": func() error { _, err := b.driver.Observe(ctx, web); return err },
		"lock":    func() error { _, _, err := b.driver.Lock(ctx, web, "bench"); return err },
		"event": func() error {
			return b.driver.RecordEvent(ctx, web, policy.Event{Type: policy.EventFailure, Severity: policy.Critical, Message: "help"})
		},
		"release":   func() error { return b.driver.Release(ctx, web) },
		"reconcile": func() error { _, err := b.driver.Reconcile(ctx, web); return err },
		"resize":    func() error { return b.driver.Do(ctx, web, resize.Steps[0]) },
		"scale":     func() error { return b.driver.Do(ctx, web, scale.Steps[0]) },
		"rollout":   func() error { return b.driver.Do(ctx, restarted, rollout.Steps[0]) },
		"undo":      func() error { return b.driver.Undo(ctx, web, resize.Steps[0]) },
		"measure": func() error {
			testenv.Eventually(t, time.Minute, "the kubelet forgets that it was allowed", func() bool {
				_, err := b.driver.Measure(ctx, web, st.Parts[0])
				return errors.Is(err, actuators.ErrRefused)
			})
			_, err := b.driver.Measure(ctx, web, st.Parts[0])
			return err
		},
	}
	for name, call := range calls {
		err := call()
		switch {
		case !errors.Is(err, actuators.ErrRefused):
			t.Errorf("%s: want ErrRefused, got %v", name, err)
		case !strings.Contains(strings.ToLower(err.Error()), "forbidden") || !strings.Contains(err.Error(), "grant engramd"):
			t.Errorf("%s: does not say what is missing: %v", name, err)
		}
	}
}

// revoke deletes the bench's roles of one kind, and their like without a namespace.
func (b *bench) revoke(kind string) {
	b.t.Helper()
	ctx, now := b.t.Context(), metav1.DeleteOptions{}
	roles := b.Client().RbacV1()
	var err error
	if kind == "Role" {
		err = roles.Roles(b.namespace).DeleteCollection(ctx, now, metav1.ListOptions{})
	} else {
		err = roles.RoleBindings(b.namespace).DeleteCollection(ctx, now, metav1.ListOptions{})
		binding, get := roles.ClusterRoleBindings().Get(ctx, "engramd-metrics-"+b.namespace, metav1.GetOptions{})
		if get != nil {
			b.t.Fatal(get)
		}
		binding.Subjects = nil
		_, update := roles.ClusterRoleBindings().Update(ctx, binding, metav1.UpdateOptions{})
		err = errors.Join(err, update)
	}
	if err != nil {
		b.t.Fatal(err)
	}
}

// resize changes a target's CPU live, keeps that, and takes another change, of memory, back.
func (b *bench) resize(target policy.Target, st actuators.State) {
	b.t.Helper()
	cpu := b.plan(target, st, policy.Size{policy.CPU: policy.Amount(150)})
	b.do(target, cpu)
	if err := b.driver.Finish(b.t.Context(), target, cpu.Steps); err != nil {
		b.t.Fatal(err)
	}
	if _, err := b.driver.Reconcile(b.t.Context(), target); err != nil {
		b.t.Fatal(err)
	}
	st = b.settled(target, len(st.Parts))
	memory := b.plan(target, st, policy.Size{policy.Memory: policy.Amount(96 << 20)})
	b.do(target, memory)
	b.undo(target, memory)
}

// rollOut changes a target's CPU by its template, and takes that back.
func (b *bench) rollOut(target policy.Target) {
	b.t.Helper()
	specs := maps.Clone(target.Specs)
	target.Specs, target.Apply = specs, map[policy.Resource]policy.Apply{policy.CPU: policy.ApplyRestart}
	st := b.observe(target, target.Name+" has pods", func(st actuators.State) bool { return len(st.Parts) > 0 })
	st = b.settled(target, len(st.Parts))
	plan := b.plan(target, st, policy.Size{policy.CPU: policy.Amount(200)})
	b.do(target, plan)
	b.undo(target, plan)
	b.settled(target, len(st.Parts))
}

// stuck rolls out what no node has room for, and takes that back, which takes the pending pod with it.
func (b *bench) stuck(target policy.Target) {
	b.t.Helper()
	target.Apply = map[policy.Resource]policy.Apply{policy.CPU: policy.ApplyRestart}
	plan := b.plan(target, b.settled(target, 1), policy.Size{policy.CPU: policy.Amount(9_000_000)})
	for _, s := range plan.Steps {
		ctx, cancel := context.WithTimeout(b.t.Context(), 8*time.Second)
		err := b.driver.Do(ctx, target, s)
		cancel()
		if err != nil {
			break
		}
	}
	b.undo(target, plan)
	b.settled(target, 1)
}

// scale adds pods and takes them away again.
func (b *bench) scale(target policy.Target, from, to int64) {
	b.t.Helper()
	st := b.settled(target, int(from))
	plan := b.plan(target, st, policy.Size{policy.Replicas: policy.Amount(to)})
	b.do(target, plan)
	st = b.observe(target, "there are more pods", func(st actuators.State) bool { return len(st.Parts) == int(to) })
	for _, p := range st.Parts {
		if n := p.Effective[policy.Replicas]; n != policy.Amount(to) {
			b.t.Errorf("%s shows %s replicas, not %d", p.Name, n, to)
		}
	}
	b.undo(target, plan)
	b.settled(target, int(from))
}

// measure waits for the kubelet to show the pods.
func (b *bench) measure(target policy.Target) {
	b.t.Helper()
	st := b.settled(target, 2)
	b.again("the kubelet shows the pod", func(ctx context.Context) error {
		s, err := b.driver.Measure(ctx, target, st.Parts[0])
		if err != nil {
			return err
		}
		if s.CPU.Used == nil || s.Memory.WorkingSet == nil || *s.Memory.WorkingSet == 0 || s.Memory.Anon == nil {
			return fmt.Errorf("%w: %+v", actuators.ErrTransient, s)
		}
		return nil
	})
}

// find lists what could be a target.
func (b *bench) find() {
	b.t.Helper()
	b.t.Setenv("KUBECONFIG", b.kubeconfig)
	found, err := kubernetes.Platform().Find(b.t.Context())
	if err != nil || len(found) < 3 {
		b.t.Errorf("found %v, %v", found, err)
	}
}

// expand grows a claim. There is no CSI driver here: the test plays the one that grows the volume.
func (b *bench) expand() {
	b.t.Helper()
	class := "grows-" + b.namespace
	b.Apply(b.t, b.namespace, fmt.Sprintf(`
apiVersion: storage.k8s.io/v1
kind: StorageClass
metadata: {name: %[1]s}
provisioner: kubernetes.io/no-provisioner
allowVolumeExpansion: true
---
apiVersion: v1
kind: PersistentVolume
metadata: {name: %[1]s}
spec:
  capacity: {storage: 1Gi}
  accessModes: [ReadWriteOnce]
  persistentVolumeReclaimPolicy: Delete
  storageClassName: %[1]s
  hostPath: {path: /tmp, type: Directory}
---
apiVersion: v1
kind: PersistentVolumeClaim
metadata: {name: data}
spec: {accessModes: [ReadWriteOnce], storageClassName: %[1]s, volumeName: %[1]s, resources: {requests: {storage: 1Gi}}}
`, class))
	ctx := context.Background()
	b.t.Cleanup(func() {
		_ = b.Client().StorageV1().StorageClasses().Delete(ctx, class, metav1.DeleteOptions{})
		_ = b.Client().CoreV1().PersistentVolumes().Delete(ctx, class, metav1.DeleteOptions{})
	})
	image := b.LoadWorkload(b.t, "", nil)
	b.create(workload("Deployment", "disk", image, "replicas: 1") + `
          volumeMounts: [{name: data, mountPath: /data}]
      volumes: [{name: data, persistentVolumeClaim: {claimName: data}}]
`)
	target := b.target(kubernetes.Spec{Deployment: "disk", Volume: "data"})
	st := b.settled(target, 1)
	if _, err := b.driver.Plan(target, st, policy.Size{policy.Storage: policy.Amount(2 << 30)}); !errors.Is(err, actuators.ErrRefused) {
		b.t.Errorf("without allow_irreversible: %v", err)
	}
	target.AllowIrreversible = true
	plan := b.plan(target, st, policy.Size{policy.Storage: policy.Amount(2 << 30)})
	if len(plan.Steps) != 1 || !plan.Steps[0].Irreversible {
		b.t.Fatalf("got %+v", plan.Steps)
	}
	short, cancel := context.WithTimeout(b.t.Context(), time.Second)
	defer cancel()
	if err := b.driver.Do(short, target, plan.Steps[0]); !errors.Is(err, actuators.ErrTransient) {
		b.t.Errorf("the volume has not grown: %v", err)
	}
	claims := b.Client().CoreV1().PersistentVolumeClaims(b.namespace)
	claim, err := claims.Get(b.t.Context(), "data", metav1.GetOptions{})
	if err != nil || claim.Spec.Resources.Requests.Storage().String() != "2Gi" {
		b.t.Fatalf("the request did not grow: %v, %v", claim.Spec.Resources, err)
	}
	claim.Status.Capacity = corev1.ResourceList{corev1.ResourceStorage: resource.MustParse("2Gi")}
	if _, err := claims.UpdateStatus(b.t.Context(), claim, metav1.UpdateOptions{}); err != nil {
		b.t.Fatal(err)
	}
	b.do(target, plan)
	st = b.settled(target, 1)
	if got := st.Parts[0].Effective[policy.Storage]; got != policy.Amount(2<<30) {
		b.t.Errorf("got %s", got)
	}
}
