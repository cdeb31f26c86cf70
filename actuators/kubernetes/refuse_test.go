package kubernetes_test

import (
	"errors"
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/engramd/engramd/actuators"
	"github.com/engramd/engramd/actuators/kubernetes"
	"github.com/engramd/engramd/policy"
)

func quantities(cpu string) corev1.ResourceList {
	return corev1.ResourceList{corev1.ResourceCPU: resource.MustParse(cpu)}
}

// ratio is a container whose request is less than its limit.
func ratio(request, limit string) corev1.ResourceRequirements {
	return corev1.ResourceRequirements{Requests: quantities(request), Limits: quantities(limit)}
}

func TestPlanRefuses(t *testing.T) {
	hpa := func(metrics ...autoscalingv2.MetricSpec) *autoscalingv2.HorizontalPodAutoscaler {
		return &autoscalingv2.HorizontalPodAutoscaler{
			ObjectMeta: metav1.ObjectMeta{Name: "crowd", Namespace: namespace},
			Spec: autoscalingv2.HorizontalPodAutoscalerSpec{
				ScaleTargetRef: autoscalingv2.CrossVersionObjectReference{Kind: "Deployment", Name: "web"}, Metrics: metrics,
			},
		}
	}
	onCPU := autoscalingv2.MetricSpec{Type: autoscalingv2.ResourceMetricSourceType, Resource: &autoscalingv2.ResourceMetricSource{Name: corev1.ResourceCPU}}
	bounded := func(l corev1.LimitRangeItem) func(*model) {
		return func(m *model) {
			m.must(m.api.Tracker().Add(&corev1.LimitRange{ObjectMeta: metav1.ObjectMeta{Name: "house", Namespace: namespace},
				Spec: corev1.LimitRangeSpec{Limits: []corev1.LimitRangeItem{l}}}))
		}
	}
	left := func(name corev1.ResourceName, hard, used string, scopes ...corev1.ResourceQuotaScope) func(*model) {
		return func(m *model) {
			m.must(m.api.Tracker().Add(&corev1.ResourceQuota{ObjectMeta: metav1.ObjectMeta{Name: "purse", Namespace: namespace},
				Spec: corev1.ResourceQuotaSpec{Scopes: scopes},
				Status: corev1.ResourceQuotaStatus{Hard: corev1.ResourceList{name: resource.MustParse(hard)},
					Used: corev1.ResourceList{name: resource.MustParse(used)}}}))
		}
	}
	deployed := func(change func(*appsv1.Deployment)) func(*model) {
		return func(m *model) {
			o := m.deployment("web")
			change(o)
			m.must(m.api.Tracker().Update(deploymentsResource, o, namespace))
		}
	}
	const managedByOthers = `{"f:spec":{"f:template":{"f:spec":{"f:containers":{"k:{\"name\":\"app\"}":{"f:resources":{"f:limits":{"f:cpu":{}}}}}}}}}`
	cases := []struct {
		name      string
		resources corev1.ResourceRequirements
		pod       func(*corev1.PodTemplateSpec)
		given     func(*model)
		target    func(*policy.Target)
		to        policy.Size
		want      string // "" is allowed
	}{
		{name: "best effort", to: cpu(400), want: "never added"},
		{name: "limits without one", resources: corev1.ResourceRequirements{Requests: quantities("1")},
			target: func(t *policy.Target) { specIn(*t).Controls = kubernetes.ControlLimits }, to: cpu(2000), want: "controls: limits"},
		{name: "request above the limit", resources: ratio("100m", "200m"),
			target: func(t *policy.Target) { specIn(*t).Controls = kubernetes.ControlRequests }, to: cpu(400), want: "cannot be above its limit"},
		{name: "guaranteed by halves", resources: requirements("1", "1Gi"),
			target: func(t *policy.Target) { specIn(*t).Controls = kubernetes.ControlLimits }, to: cpu(2000), want: "QoS class"},
		{name: "into guaranteed", resources: func() corev1.ResourceRequirements {
			r := requirements("1", "1Gi")
			r.Requests[corev1.ResourceCPU] = resource.MustParse("500m")
			return r
		}(), target: func(t *policy.Target) { specIn(*t).Controls = kubernetes.ControlRequests }, to: cpu(1000), want: "would become Guaranteed"},
		{name: "static pod", resources: ratio("100m", "200m"), to: cpu(400), want: "static pod",
			pod: func(p *corev1.PodTemplateSpec) {
				p.Annotations = map[string]string{corev1.MirrorPodAnnotationKey: "x"}
			}},
		{name: "windows", resources: ratio("100m", "200m"), to: cpu(400), want: "Windows",
			pod: func(p *corev1.PodTemplateSpec) { p.Spec.OS = &corev1.PodOS{Name: corev1.Windows} }},
		{name: "cpu under a cpu autoscaler", resources: ratio("100m", "200m"), to: cpu(400), want: "HorizontalPodAutoscaler crowd",
			given: func(m *model) { m.must(m.api.Tracker().Add(hpa(onCPU))) }},
		{name: "cpu under another autoscaler", resources: ratio("100m", "200m"), to: cpu(400),
			given: func(m *model) { m.must(m.api.Tracker().Add(hpa())) }},
		{name: "under a VPA", resources: ratio("100m", "200m"), to: cpu(400), want: "VerticalPodAutoscaler sizer",
			given: func(m *model) {
				m.vpas = `{"items":[{"metadata":{"name":"sizer"},"spec":{"targetRef":{"kind":"Deployment","name":"web"},"updatePolicy":{"updateMode":"Auto"}}}]}`
			}},
		{name: "under a VPA that only recommends", resources: ratio("100m", "200m"), to: cpu(400),
			given: func(m *model) {
				m.vpas = `{"items":[{"metadata":{"name":"sizer"},"spec":{"targetRef":{"kind":"Deployment","name":"web"},"updatePolicy":{"updateMode":"Off"}}}]}`
			}},
		{name: "no such kind", resources: ratio("100m", "200m"), to: cpu(400),
			given: func(m *model) {
				m.faults = []fault{{call: "list horizontalpodautoscalers", always: true, err: apierrors.NewNotFound(schema.GroupResource{}, "")}}
			}},
		{name: "no right to see bounds", resources: ratio("100m", "200m"), to: cpu(400),
			given: func(m *model) {
				m.faults = []fault{{call: "list limitranges", always: true, err: apierrors.NewForbidden(schema.GroupResource{Resource: "limitranges"}, "", errors.New("no"))}}
			}},
		{name: "no right to see autoscalers", resources: ratio("100m", "200m"), to: cpu(400), want: "grant engramd the right to list horizontalpodautoscalers",
			given: func(m *model) {
				m.faults = []fault{{call: "list horizontalpodautoscalers", always: true,
					err: apierrors.NewForbidden(schema.GroupResource{Resource: "horizontalpodautoscalers"}, "", errors.New("no"))}}
			}},
		{name: "paused by an annotation", resources: ratio("100m", "200m"), to: cpu(400), want: "engramd.io/pause of Deployment prod/web: holidays",
			given: deployed(func(o *appsv1.Deployment) { o.Annotations = map[string]string{"engramd.io/pause": "holidays"} })},
		{name: "paused by both", resources: ratio("100m", "200m"), to: cpu(400), want: "holidays",
			given: deployed(func(o *appsv1.Deployment) {
				o.Annotations, o.Labels = map[string]string{"engramd.io/pause": "holidays"}, map[string]string{"engramd.io/pause": "true"}
			})},
		{name: "paused by a label", resources: ratio("100m", "200m"), to: cpu(400), want: "the label engramd.io/pause",
			given: deployed(func(o *appsv1.Deployment) { o.Labels = map[string]string{"engramd.io/pause": "true"} })},
		{name: "not paused", resources: ratio("100m", "200m"), to: cpu(400),
			given: deployed(func(o *appsv1.Deployment) { o.Annotations = map[string]string{"engramd.io/pause": "false"} })},
		{name: "rollout under way", resources: ratio("100m", "200m"), to: cpu(400), want: "a rollout of Deployment prod/web is under way",
			given: deployed(func(o *appsv1.Deployment) { o.Status.UpdatedReplicas, o.Status.Replicas = 1, 3 })},
		{name: "rollout not begun", resources: ratio("100m", "200m"), to: cpu(400), want: "under way",
			given: deployed(func(o *appsv1.Deployment) { o.Generation = 9 })},
		{name: "a rollout that was stopped", resources: ratio("100m", "200m"), to: cpu(400),
			given: deployed(func(o *appsv1.Deployment) { o.Spec.Paused, o.Status.UpdatedReplicas, o.Status.Replicas = true, 1, 3 })},
		{name: "a sick pod is no rollout", resources: ratio("100m", "200m"), to: cpu(400),
			given: deployed(func(o *appsv1.Deployment) { o.Status.AvailableReplicas, o.Status.ReadyReplicas = 1, 1 })},
		{name: "above the LimitRange", resources: ratio("100m", "200m"), to: cpu(400), want: "the LimitRange house allows no more than 300m",
			given: bounded(corev1.LimitRangeItem{Type: corev1.LimitTypeContainer, Max: quantities("300m")})},
		{name: "below the LimitRange", resources: ratio("100m", "200m"), to: cpu(100), want: "no less than 80m",
			given: bounded(corev1.LimitRangeItem{Type: corev1.LimitTypeContainer, Min: quantities("80m")})},
		{name: "above the LimitRange of pods", resources: ratio("100m", "200m"), to: cpu(400), want: "cpu of the pod would be 400m",
			given: bounded(corev1.LimitRangeItem{Type: corev1.LimitTypePod, Max: quantities("300m")})},
		{name: "above the LimitRange's ratio", resources: ratio("100m", "200m"), to: cpu(400), want: "no more times the request than 3",
			target: func(t *policy.Target) { specIn(*t).Controls = kubernetes.ControlLimits },
			given:  bounded(corev1.LimitRangeItem{Type: corev1.LimitTypeContainer, MaxLimitRequestRatio: quantities("3")})},
		{name: "above the quota", resources: ratio("100m", "200m"), to: cpu(400), want: "the ResourceQuota purse has 500m left",
			given: left(corev1.ResourceLimitsCPU, "2", "1500m")},
		{name: "within the quota", resources: ratio("100m", "200m"), to: cpu(400), given: left(corev1.ResourceLimitsCPU, "2", "1400m")},
		{name: "a quota of requests", resources: ratio("100m", "200m"), to: cpu(400), want: "requests.cpu", given: left(corev1.ResourceCPU, "1", "800m")},
		{name: "a quota that may be of others", resources: ratio("100m", "200m"), to: cpu(400),
			given: left(corev1.ResourceLimitsCPU, "2", "2", corev1.ResourceQuotaScopeTerminating)},
		{name: "less, over the quota", resources: ratio("100m", "200m"), to: cpu(100), given: left(corev1.ResourceLimitsCPU, "2", "3")},
		{name: "taken away", resources: ratio("100m", "200m"), to: policy.Size{policy.CPU: policy.Unlimited()}, want: "cannot be taken away"},
		{name: "another resource", resources: ratio("100m", "200m"), to: policy.Size{policy.CPUs: policy.Set("0")}, want: "cannot change cpus"},
		{name: "restart of a paused Deployment", resources: ratio("100m", "200m"), to: cpu(400), want: "kubectl rollout resume",
			target: func(t *policy.Target) { *t = byRestart(*t) }, given: deployed(func(o *appsv1.Deployment) { o.Spec.Paused = true })},
		{name: "restart of what an operator keeps", resources: ratio("100m", "200m"), to: cpu(400), want: "belongs to Cluster db",
			target: func(t *policy.Target) { *t = byRestart(*t) },
			given: deployed(func(o *appsv1.Deployment) {
				o.OwnerReferences = []metav1.OwnerReference{{Kind: "Cluster", Name: "db", Controller: new(true)}}
			})},
		{name: "restart of what somebody applies", resources: ratio("100m", "200m"), to: cpu(400), want: "belongs to argocd",
			target: func(t *policy.Target) { *t = byRestart(*t) },
			given: deployed(func(o *appsv1.Deployment) {
				o.ManagedFields = append(o.ManagedFields, metav1.ManagedFieldsEntry{Manager: "argocd", Operation: metav1.ManagedFieldsOperationApply,
					APIVersion: "apps/v1", FieldsType: "FieldsV1", FieldsV1: metav1.NewFieldsV1(managedByOthers)})
			})},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			m := newModel(t)
			target := m.start(service{pods: 3, resources: c.resources, change: c.pod})
			if c.given != nil {
				c.given(m)
			}
			if c.target != nil {
				c.target(&target)
			}
			plan, err := m.driver.Plan(target, m.observe(target), c.to)
			if c.want == "" {
				if err != nil || len(plan.Steps) == 0 {
					t.Errorf("Plan: %v, %d steps; want it to be possible", err, len(plan.Steps))
				}
				return
			}
			m.wants(err, actuators.ErrRefused, c.want)
		})
	}
}

func TestPlanSaysHow(t *testing.T) {
	m := newModel(t)
	target := m.start(service{pods: 2, resources: ratio("100m", "200m")})
	plan := m.planned(target, cpu(400))
	want := `kubectl -n prod patch pod $pod --subresource resize --patch '{"spec":{"containers":[{"name":"app","resources":{"limits":{"cpu":"400m"},"requests":{"cpu":"200m"}}}]}}'`
	if !strings.Contains(plan.Command, want) {
		t.Errorf("command %s, want %s", plan.Command, want)
	}
	if notes := strings.Join(plan.Notes, "\n"); !strings.Contains(notes, `kubectl -n prod patch deployment web --patch '{"spec":{"template":{"spec":`) {
		t.Errorf("notes %q, want the patch of the template", notes)
	}
	specIn(target).Persist = kubernetes.PersistNone
	if notes := strings.Join(m.planned(target, cpu(400)).Notes, "\n"); strings.Contains(notes, "patch deployment") {
		t.Errorf("notes %q, want no patch with persist: none", notes)
	}
	plan = m.planned(byRestart(target), cpu(400))
	if notes := strings.Join(plan.Notes, "\n"); !strings.Contains(notes, "was written by kubectl-create") {
		t.Errorf("notes %q, want who has written the size", notes)
	}
	want = `kubectl -n prod set resources deployment web -c app --limits=cpu=400m --requests=cpu=200m && kubectl -n prod rollout status deployment web`
	if plan.Command != want {
		t.Errorf("command %s, want %s", plan.Command, want)
	}
}
