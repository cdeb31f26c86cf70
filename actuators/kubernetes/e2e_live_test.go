package kubernetes_test

import (
	"context"
	"errors"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/engramd/engramd/actuators"
	"github.com/engramd/engramd/actuators/kubernetes"
	"github.com/engramd/engramd/policy"
	"github.com/engramd/engramd/testenv"
	cluster "github.com/engramd/engramd/testenv/kubernetes"
)

// wants checks an error and what it says.
func wants(t *testing.T, err, kind error, texts ...string) {
	t.Helper()
	if !errors.Is(err, kind) {
		t.Errorf("error %v, want one that is %q", err, kind)
		return
	}
	for _, text := range texts {
		if !strings.Contains(err.Error(), text) {
			t.Errorf("error %q does not say %q", err, text)
		}
	}
}

// sizes are what is in effect for each pod.
func (b *bench) sizes(t *testing.T, target policy.Target, res policy.Resource) []string {
	t.Helper()
	var all []string
	for _, p := range b.observe(t, target).Parts {
		all = append(all, res.Format(p.Effective[res]))
	}
	return all
}

// setTemplate rolls the workload out as its user does: with something else about the container changed.
func (b *bench) setTemplate(t *testing.T, kind, name, patch string) {
	t.Helper()
	var err error
	apps, opts := b.Client().AppsV1(), metav1.PatchOptions{FieldManager: "kubectl-patch"}
	switch kind {
	case "Deployment":
		_, err = apps.Deployments(b.namespace).Patch(t.Context(), name, types.StrategicMergePatchType, []byte(patch), opts)
	case "StatefulSet":
		_, err = apps.StatefulSets(b.namespace).Patch(t.Context(), name, types.StrategicMergePatchType, []byte(patch), opts)
	}
	if err != nil {
		t.Fatal(err)
	}
}

const newVariable = `{"spec":{"template":{"spec":{"containers":[{"name":"app","env":[{"name":"RELEASE","value":"2"}]}]}}}}`

// Three pods are resized in place: the kernel shows it, nothing restarts, and no new ReplicaSet is made. After a rollout by
// the user the new pods get the committed size.
func TestE2EThreePodsInPlaceAndTheirSuccessors(t *testing.T) {
	b := newBench(t)
	target := b.run(t, service{kind: "Deployment", name: "web", pods: 3, resources: requirements("200m", "64Mi")})
	plan := b.plan(t, target, cpu(400))
	if err := b.do(t, target, plan); err != nil {
		t.Fatal(err)
	}
	sets, err := b.Client().AppsV1().ReplicaSets(b.namespace).List(t.Context(), metav1.ListOptions{})
	if err != nil || len(sets.Items) != 1 {
		t.Errorf("%d ReplicaSets, %v; want still one", len(sets.Items), err)
	}
	for _, pod := range b.Pods(t, b.namespace, "app=web") {
		if n := pod.Status.ContainerStatuses[0].RestartCount; n != 0 {
			t.Errorf("%s was restarted %d times", pod.Name, n)
		}
		if got := testenv.CPULimit(t, cluster.ContainerID(t, pod, "app")); got != 0.4 {
			t.Errorf("%s: the kernel's limit is %v cores, want 0.4", pod.Name, got)
		}
		if pod.Status.QOSClass != corev1.PodQOSGuaranteed && pod.Status.QOSClass != corev1.PodQOSBurstable {
			t.Errorf("%s is %s", pod.Name, pod.Status.QOSClass)
		}
	}
	if err := b.driver.Finish(t.Context(), target, plan.Steps); err != nil {
		t.Fatal(err)
	}
	b.setTemplate(t, "Deployment", "web", newVariable)
	began := time.Now()
	testenv.Eventually(t, 90*time.Second, "the new pods have the committed size", func() bool {
		if _, err := b.driver.Reconcile(t.Context(), target); err != nil {
			t.Log(err)
			return false
		}
		pods := b.Pods(t, b.namespace, "app=web")
		for _, p := range pods {
			if len(p.Spec.Containers[0].Env) == 0 {
				began = time.Now() // the rollout is the user's
				return false
			}
		}
		got := b.sizes(t, target, policy.CPU)
		return len(got) == 3 && strings.Join(got, " ") == "400m 400m 400m"
	})
	if took := time.Since(began); took > 30*time.Second {
		t.Errorf("the new pods had the committed size %s after the last one came", took)
	}
	if sets, err := b.Client().AppsV1().ReplicaSets(b.namespace).List(t.Context(), metav1.ListOptions{}); err != nil || len(sets.Items) != 2 {
		t.Errorf("%d ReplicaSets, %v; want the user's two", len(sets.Items), err)
	}
}

// A size beyond the node can never be given; the pod gets its old one back, and the next plan is as configured.
func TestE2EInfeasible(t *testing.T) {
	b := newBench(t)
	target := b.run(t, service{kind: "Deployment", name: "web", pods: 1, resources: requirements("100m", "64Mi")})
	target.Specs["kubernetes"].(*kubernetes.Spec).Infeasible = kubernetes.InfeasibleRestart
	plan := b.plan(t, target, cpu(900_000))
	wants(t, b.do(t, target, plan), actuators.ErrRefused, "the kubelet cannot make this resize", "cpu")
	if err := b.undo(t, target, plan); err != nil {
		t.Fatal(err)
	}
	equal(t, "sizes", b.sizes(t, target, policy.CPU), []string{"100m"})
	if got := b.plan(t, target, cpu(900_000)); got.Strategy != policy.Restart {
		t.Errorf("the next plan is %s, want restart", got.Strategy)
	}
	if again := b.plan(t, target, cpu(150)); again.Strategy != policy.Live {
		t.Errorf("another size is planned %s, want live", again.Strategy)
	} else if err := b.do(t, target, again); err != nil {
		t.Errorf("another size: %v", err)
	}
}

// A size that the node has no room for now is put off; when that does not end, the old size comes back.
func TestE2EDeferred(t *testing.T) {
	b := newBench(t)
	node, err := b.Client().CoreV1().Nodes().List(t.Context(), metav1.ListOptions{})
	if err != nil {
		t.Fatal(err)
	}
	all := node.Items[0].Status.Allocatable.Cpu().MilliValue()
	half := *resource.NewMilliQuantity(all/2, resource.DecimalSI)
	big := service{kind: "Deployment", name: "neighbour", pods: 1, resources: corev1.ResourceRequirements{Requests: corev1.ResourceList{corev1.ResourceCPU: half}}}
	b.run(t, big)
	target := b.run(t, service{kind: "Deployment", name: "web", pods: 1, resources: requirements("100m", "64Mi")})
	plan := b.plan(t, target, cpu(all*3/4))
	wants(t, b.driver.Do(t.Context(), target, plan.Steps[0]), actuators.ErrTransient, "puts the resize off (Deferred)")
	b.remove(t, big)
	if err := b.do(t, target, plan); err != nil {
		t.Fatalf("once there is room: %v", err)
	}
	if err := b.undo(t, target, plan); err != nil {
		t.Fatal(err)
	}
	equal(t, "sizes", b.sizes(t, target, policy.CPU), []string{"100m"})
}

// Less memory than is in use is refused by the kubelet, and the pod lives on as it was.
func TestE2EMemoryInUseStays(t *testing.T) {
	b := newBench(t)
	target := b.run(t, service{kind: "Deployment", name: "web", pods: 1, resources: requirements("100m", "128Mi")})
	pod := b.Pods(t, b.namespace, "app=web")[0]
	cluster.Service(pod).Do(t, "/memory?bytes=64Mi")
	plan := b.plan(t, target, mem(32))
	wants(t, b.do(t, target, plan), actuators.ErrRefused, "in use")
	if err := b.undo(t, target, plan); err != nil {
		t.Fatal(err)
	}
	equal(t, "sizes", b.sizes(t, target, policy.Memory), []string{"128Mi"})
	if n := b.observe(t, target).Parts[0].Restarts; n != 0 {
		t.Errorf("restarted %d times", n)
	}
}

// Two write the same pod: what the API server answers with a conflict is tried again.
func TestE2EConflict(t *testing.T) {
	b := newBench(t)
	target := b.run(t, service{kind: "Deployment", name: "web", pods: 1, resources: requirements("100m", "64Mi")})
	pod := b.Pods(t, b.namespace, "app=web")[0]
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for n := 0; ctx.Err() == nil; n++ {
			patch := `{"metadata":{"annotations":{"busy":"` + time.Now().String() + `"}}}`
			_, _ = b.Client().CoreV1().Pods(b.namespace).Patch(ctx, pod.Name, types.MergePatchType, []byte(patch), metav1.PatchOptions{})
		}
	}()
	defer func() { stop(); <-ended }()
	plan := b.plan(t, target, cpu(200))
	if err := b.do(t, target, plan); err != nil {
		t.Fatal(err)
	}
	equal(t, "sizes", b.sizes(t, target, policy.CPU), []string{"200m"})
}

// A right is missing: the error says which, and nothing has changed.
func TestE2EForbidden(t *testing.T) {
	b := newBench(t)
	target := b.run(t, service{kind: "Deployment", name: "web", pods: 1, resources: requirements("100m", "64Mi")})
	read := rbacv1.PolicyRule{APIGroups: []string{"", "apps", "autoscaling", "autoscaling.k8s.io", "policy"}, Resources: []string{"*"}, Verbs: []string{"get", "list"}}
	path := filepath.Join(t.TempDir(), "kubeconfig")
	b.WriteKubeconfig(t, path, b.ServiceAccount(t, b.namespace, "reader", read))
	target.Specs["kubernetes"].(*kubernetes.Spec).Kubeconfig = path
	plan := b.plan(t, target, cpu(200))
	wants(t, b.driver.Do(t.Context(), target, plan.Steps[0]), actuators.ErrRefused, "pods/resize", "grant engramd that right")
	if err := b.undo(t, target, plan); err != nil {
		t.Fatal(err)
	}
	equal(t, "sizes", b.sizes(t, target, policy.CPU), []string{"100m"})
}

// The bounds of a namespace are known before anything is tried; where they are not, the API server holds them.
func TestE2EQuotaAndLimitRange(t *testing.T) {
	b := newBench(t)
	target := b.run(t, service{kind: "Deployment", name: "web", pods: 2, resources: requirements("100m", "64Mi")})
	before := b.plan(t, target, cpu(400))
	quota := &corev1.ResourceQuota{ObjectMeta: metav1.ObjectMeta{Name: "purse"}, Spec: corev1.ResourceQuotaSpec{
		Hard: corev1.ResourceList{corev1.ResourceLimitsCPU: resource.MustParse("300m")}}}
	if _, err := b.Client().CoreV1().ResourceQuotas(b.namespace).Create(t.Context(), quota, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	testenv.Eventually(t, 30*time.Second, "the plan knows the quota", func() bool {
		b.driver.Forget()
		_, err := b.driver.Plan(target, b.observe(t, target), cpu(400))
		return err != nil && errors.Is(err, actuators.ErrRefused) && strings.Contains(err.Error(), "purse has 100m left")
	})
	wants(t, b.driver.Do(t.Context(), target, before.Steps[0]), actuators.ErrRefused, "exceeded quota", "raise the ResourceQuota")
	limit := &corev1.LimitRange{ObjectMeta: metav1.ObjectMeta{Name: "house"}, Spec: corev1.LimitRangeSpec{Limits: []corev1.LimitRangeItem{{
		Type: corev1.LimitTypeContainer, Max: corev1.ResourceList{corev1.ResourceCPU: resource.MustParse("150m")}}}}}
	if _, err := b.Client().CoreV1().LimitRanges(b.namespace).Create(t.Context(), limit, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	b.driver.Forget()
	_, err := b.driver.Plan(target, b.observe(t, target), cpu(180))
	wants(t, err, actuators.ErrRefused, "the LimitRange house allows no more than 150m")
	testenv.Eventually(t, 10*time.Second, "the API server holds the LimitRange", func() bool {
		err := b.driver.Do(t.Context(), target, before.Steps[0])
		return errors.Is(err, actuators.ErrRefused) && strings.Contains(err.Error(), "maximum cpu usage per Container is 150m")
	})
	equal(t, "sizes", b.sizes(t, target, policy.CPU), []string{"100m", "100m"})
}

// The pod that is being resized goes away, and another comes.
func TestE2EPodDeletedWhileResizing(t *testing.T) {
	b := newBench(t)
	target := b.run(t, service{kind: "Deployment", name: "web", pods: 2, resources: requirements("100m", "64Mi")})
	plan := b.plan(t, target, cpu(200))
	pod := b.observe(t, target).Parts[0].Name
	if err := b.Client().CoreV1().Pods(b.namespace).Delete(t.Context(), pod, metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	if err := b.do(t, target, plan); err != nil {
		t.Fatal(err)
	}
	b.AwaitPods(t, b.namespace, "app=web", 2)
	if err := b.do(t, target, plan); err != nil { // the other may have come after all was done
		t.Fatal(err)
	}
	equal(t, "sizes", b.sizes(t, target, policy.CPU), []string{"200m", "200m"})
	if err := b.undo(t, target, plan); err != nil {
		t.Fatal(err)
	}
	equal(t, "sizes after undo", b.sizes(t, target, policy.CPU), []string{"100m", "100m"})
}

// The node is away: the change waits, says for what, and goes on when it is back.
func TestE2ENodeAway(t *testing.T) {
	b := newBench(t)
	target := b.run(t, service{kind: "Deployment", name: "web", pods: 1, resources: requirements("100m", "64Mi")})
	plan := b.plan(t, target, cpu(200))
	b.StopNode(t)
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
	defer cancel()
	wants(t, b.driver.Do(ctx, target, plan.Steps[0]), actuators.ErrTransient, "is the node well?")
	b.StartNode(t)
	if err := b.do(t, target, plan); err != nil {
		t.Fatal(err)
	}
	equal(t, "sizes", b.sizes(t, target, policy.CPU), []string{"200m"})
}

// The resizePolicy restarts the container: one at a time, and it counts as a restart.
func TestE2ERestartingResize(t *testing.T) {
	b := newBench(t)
	target := b.run(t, service{kind: "Deployment", name: "web", pods: 2, resources: requirements("100m", "64Mi"), change: func(p *corev1.PodTemplateSpec) {
		p.Spec.Containers[0].ResizePolicy = []corev1.ContainerResizePolicy{{ResourceName: corev1.ResourceMemory, RestartPolicy: corev1.RestartContainer}}
	}})
	plan := b.plan(t, target, mem(96))
	if plan.Strategy != policy.Restart {
		t.Errorf("strategy %s, want restart", plan.Strategy)
	}
	if err := b.do(t, target, plan); err != nil {
		t.Fatal(err)
	}
	equal(t, "sizes", b.sizes(t, target, policy.Memory), []string{"96Mi", "96Mi"})
	for _, p := range b.observe(t, target).Parts {
		if p.Restarts != 1 || p.Healthy != "healthy" {
			t.Errorf("%s: %d restarts, %s; want 1, healthy", p.Name, p.Restarts, p.Healthy)
		}
	}
}

// A budget that allows no disruption is waited for, and then one pod at a time is away.
func TestE2EDisruptionBudget(t *testing.T) {
	b := newBench(t)
	target := b.run(t, service{kind: "Deployment", name: "web", pods: 2, resources: requirements("100m", "64Mi"), change: func(p *corev1.PodTemplateSpec) {
		p.Spec.Containers[0].ResizePolicy = []corev1.ContainerResizePolicy{{ResourceName: corev1.ResourceMemory, RestartPolicy: corev1.RestartContainer}}
	}})
	budgets := b.Client().PolicyV1().PodDisruptionBudgets(b.namespace)
	_, err := budgets.Create(t.Context(), &policyv1.PodDisruptionBudget{ObjectMeta: metav1.ObjectMeta{Name: "both"}, Spec: policyv1.PodDisruptionBudgetSpec{
		Selector: &metav1.LabelSelector{MatchLabels: map[string]string{"app": "web"}}, MinAvailable: new(intstr.FromInt32(2))}}, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	allowed := func(n int32) func() bool {
		return func() bool {
			budget, err := budgets.Get(t.Context(), "both", metav1.GetOptions{})
			return err == nil && budget.Status.ObservedGeneration == budget.Generation && budget.Status.DisruptionsAllowed == n && budget.Status.CurrentHealthy == 2
		}
	}
	testenv.Eventually(t, 30*time.Second, "the budget has counted its pods", allowed(0))
	plan := b.plan(t, target, mem(96))
	wants(t, b.driver.Do(t.Context(), target, plan.Steps[0]), actuators.ErrTransient, "the PodDisruptionBudget both allows no disruption now (2 of 2 healthy)")
	equal(t, "sizes", b.sizes(t, target, policy.Memory), []string{"64Mi", "64Mi"})
	if _, err := budgets.Patch(t.Context(), "both", types.MergePatchType, []byte(`{"spec":{"minAvailable":1}}`), metav1.PatchOptions{}); err != nil {
		t.Fatal(err)
	}
	testenv.Eventually(t, 30*time.Second, "the budget allows one", allowed(1))
	events, err := b.Client().CoreV1().Pods(b.namespace).Watch(t.Context(), metav1.ListOptions{LabelSelector: "app=web"})
	if err != nil {
		t.Fatal(err)
	}
	away, times, together := map[string]bool{}, 0, false
	watched := make(chan struct{})
	go func() {
		defer close(watched)
		for e := range events.ResultChan() {
			pod, ok := e.Object.(*corev1.Pod)
			switch {
			case !ok:
			case ready(pod):
				delete(away, pod.Name)
			case !away[pod.Name]:
				away[pod.Name] = true
				times++
				together = together || len(away) > 1
			}
		}
	}()
	err = b.do(t, target, plan)
	equal(t, "sizes", b.sizes(t, target, policy.Memory), []string{"96Mi", "96Mi"})
	events.Stop()
	<-watched
	if err != nil || times != 2 || together {
		t.Errorf("pods were away %d times, both at once: %t; want 2, false; %v", times, together, err)
	}
}

func ready(pod *corev1.Pod) bool {
	return slices.ContainsFunc(pod.Status.Conditions, func(c corev1.PodCondition) bool { return c.Type == corev1.PodReady && c.Status == corev1.ConditionTrue })
}

// What a HorizontalPodAutoscaler decides by, or decides, is left to it; the rest is not.
func TestE2EAutoscaler(t *testing.T) {
	b := newBench(t)
	target := b.run(t, service{kind: "Deployment", name: "web", pods: 1, resources: requirements("100m", "64Mi")})
	pods := policy.Size{policy.Replicas: policy.Amount(2)}
	before := b.plan(t, target, pods)
	_, err := b.Client().AutoscalingV2().HorizontalPodAutoscalers(b.namespace).Create(t.Context(), &autoscalingv2.HorizontalPodAutoscaler{
		ObjectMeta: metav1.ObjectMeta{Name: "crowd"},
		Spec: autoscalingv2.HorizontalPodAutoscalerSpec{
			ScaleTargetRef: autoscalingv2.CrossVersionObjectReference{APIVersion: "apps/v1", Kind: "Deployment", Name: "web"}, MaxReplicas: 3,
			Metrics: []autoscalingv2.MetricSpec{{Type: autoscalingv2.ResourceMetricSourceType, Resource: &autoscalingv2.ResourceMetricSource{
				Name: corev1.ResourceCPU, Target: autoscalingv2.MetricTarget{Type: autoscalingv2.UtilizationMetricType, AverageUtilization: new(int32(80))}}}},
		}}, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	b.driver.Forget()
	_, err = b.driver.Plan(target, b.observe(t, target), cpu(200))
	wants(t, err, actuators.ErrRefused, "the HorizontalPodAutoscaler crowd counts the pods", "by their cpu")
	_, err = b.driver.Plan(target, b.observe(t, target), pods)
	wants(t, err, actuators.ErrRefused, "the HorizontalPodAutoscaler crowd decides how many pods")
	wants(t, b.driver.Do(t.Context(), target, before.Steps[0]), actuators.ErrRefused, "decides by now how many pods")
	if err := b.do(t, target, b.plan(t, target, mem(96))); err != nil {
		t.Fatal(err)
	}
	equal(t, "sizes", b.sizes(t, target, policy.Memory), []string{"96Mi"})
}
