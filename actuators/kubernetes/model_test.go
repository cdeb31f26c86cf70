package kubernetes_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"sync"
	"syscall"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes/fake"
	clienttesting "k8s.io/client-go/testing"

	"github.com/engramd/engramd/actuators/kubernetes"
	"github.com/engramd/engramd/policy"
)

// A model is an API server with the controllers and the kubelet behind it, as far as they matter here:
// it acts within the request, so that nothing has to be waited for.
type model struct {
	t      *testing.T
	api    *fake.Clientset
	driver *kubernetes.Driver
	vpas   string // what the API server answers for VerticalPodAutoscalers; "" is no such kind

	mu sync.Mutex
	// kubelet says how resizes of pods go; "" is well.
	kubelet map[string]kubelet
	broken  bool          // new pods never become ready
	skew    time.Duration // of its clock, against ours
	stuck   bool          // the controller replaces no pod, as a StatefulSet with one that is not ready
	made    int
	faults  []fault
	calls   []string
	away    bool
}

// kubelet is how a kubelet takes a resize: the condition that it sets instead of doing it.
type kubelet struct{ kind, reason, message string }

// A fault is what the API server answers once, to the call after those to skip, or to each from there.
type fault struct {
	call   string
	skip   int
	always bool
	spent  bool
	err    error
}

var (
	podsResource         = schema.GroupVersionResource{Version: "v1", Resource: "pods"}
	deploymentsResource  = appsv1.SchemeGroupVersion.WithResource("deployments")
	statefulSetsResource = appsv1.SchemeGroupVersion.WithResource("statefulsets")
)

const namespace = "prod"

var scheduled = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

func newModel(t *testing.T) *model {
	m := &model{t: t, api: fake.NewClientset(), driver: kubernetes.New(nil), kubelet: make(map[string]kubelet)}
	m.api.PrependReactor("patch", "pods", m.resized)
	m.api.PrependReactor("patch", "deployments", m.rolled)
	m.api.PrependReactor("patch", "statefulsets", m.rolled)
	m.api.PrependReactor("delete", "pods", m.deleted)
	m.api.PrependReactor("*", "*", m.first)
	m.driver.Use(m.api, namespace, m.raw)
	t.Cleanup(func() { _ = m.driver.Close() })
	return m
}

// first notes each call and answers the planned faults.
func (m *model) first(a clienttesting.Action) (bool, runtime.Object, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	name := a.GetVerb() + " " + a.GetResource().Resource
	if sub := a.GetSubresource(); sub != "" {
		name += "/" + sub
	}
	m.calls = append(m.calls, name)
	if m.away {
		return true, nil, errAway
	}
	for i := range m.faults {
		f := &m.faults[i]
		if f.call != name && f.call != "*" {
			continue
		}
		if f.skip--; f.skip >= 0 {
			continue
		}
		if f.spent {
			continue
		}
		f.spent = !f.always
		return true, nil, f.err
	}
	return false, nil, nil
}

var errAway = &url.Error{Op: "Get", URL: "https://model", Err: syscall.ECONNREFUSED}

func (m *model) raw(ctx context.Context, path string) ([]byte, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.away {
		return nil, errAway
	}
	if m.vpas == "" {
		return nil, apierrors.NewNotFound(schema.GroupResource{}, "")
	}
	return []byte(m.vpas), nil
}

// set makes a change to the model that its reactors see.
func (m *model) set(change func(*model)) {
	m.mu.Lock()
	defer m.mu.Unlock()
	change(m)
}

// A service describes what to start.
type service struct {
	kind      string // Deployment by default
	name      string
	pods      int
	resources corev1.ResourceRequirements
	change    func(*corev1.PodTemplateSpec)
}

func requirements(cpu, memory string) corev1.ResourceRequirements {
	r := corev1.ResourceRequirements{Limits: corev1.ResourceList{}, Requests: corev1.ResourceList{}}
	for name, text := range map[corev1.ResourceName]string{corev1.ResourceCPU: cpu, corev1.ResourceMemory: memory} {
		if text != "" {
			r.Limits[name], r.Requests[name] = resource.MustParse(text), resource.MustParse(text)
		}
	}
	return r
}

// start creates the workload and its pods.
func (m *model) start(s service) policy.Target {
	m.t.Helper()
	if s.kind == "" {
		s.kind = "Deployment"
	}
	if s.name == "" {
		s.name = "web"
	}
	if s.pods == 0 {
		s.pods = 1
	}
	labels := map[string]string{"app": s.name}
	template := corev1.PodTemplateSpec{
		ObjectMeta: metav1.ObjectMeta{Labels: labels},
		Spec:       corev1.PodSpec{Containers: []corev1.Container{{Name: "app", Image: "app:1", Resources: s.resources}}},
	}
	if s.change != nil {
		s.change(&template)
	}
	meta := metav1.ObjectMeta{Name: s.name, Namespace: namespace, UID: types.UID("uid-" + s.name), Generation: 1}
	selector := &metav1.LabelSelector{MatchLabels: labels}
	n := int32(s.pods)
	ctx, opts := m.t.Context(), metav1.CreateOptions{FieldManager: "kubectl-create"}
	spec := &kubernetes.Spec{Namespace: namespace, Container: "app"}
	var err error
	switch s.kind {
	case "Deployment":
		spec.Deployment = s.name
		o := &appsv1.Deployment{ObjectMeta: meta, Spec: appsv1.DeploymentSpec{Replicas: &n, Selector: selector, Template: template}}
		o.Status = appsv1.DeploymentStatus{ObservedGeneration: 1, Replicas: n, UpdatedReplicas: n, ReadyReplicas: n, AvailableReplicas: n}
		_, err = m.api.AppsV1().Deployments(namespace).Create(ctx, o, opts)
		set := &appsv1.ReplicaSet{ObjectMeta: metav1.ObjectMeta{Name: s.name + "-1", Namespace: namespace, UID: "uid-" + types.UID(s.name) + "-1", Labels: labels,
			OwnerReferences: []metav1.OwnerReference{{Kind: "Deployment", Name: s.name, UID: meta.UID, Controller: new(true)}}}}
		if _, err := m.api.AppsV1().ReplicaSets(namespace).Create(ctx, set, opts); err != nil {
			m.t.Fatal(err)
		}
	case "StatefulSet":
		spec.StatefulSet = s.name
		o := &appsv1.StatefulSet{ObjectMeta: meta, Spec: appsv1.StatefulSetSpec{Replicas: &n, Selector: selector, Template: template}}
		o.Status = appsv1.StatefulSetStatus{ObservedGeneration: 1, Replicas: n, UpdatedReplicas: n, ReadyReplicas: n, AvailableReplicas: n, CurrentRevision: "r1", UpdateRevision: "r1"}
		_, err = m.api.AppsV1().StatefulSets(namespace).Create(ctx, o, opts)
	}
	if err != nil {
		m.t.Fatal(err)
	}
	for i := range s.pods {
		m.mu.Lock()
		p := m.podOf(s.kind, s.name, template, i)
		m.mu.Unlock()
		if err := m.api.Tracker().Create(podsResource, p, namespace, metav1.CreateOptions{FieldManager: "controller"}); err != nil {
			m.t.Fatal(err)
		}
	}
	return policy.Target{Name: s.name, Specs: map[string]any{"kubernetes": spec}}
}

// podOf is a pod as its controller makes it and the kubelet runs it.
func (m *model) podOf(kind, name string, template corev1.PodTemplateSpec, i int) *corev1.Pod {
	m.made++
	p := &corev1.Pod{ObjectMeta: *template.ObjectMeta.DeepCopy(), Spec: *template.Spec.DeepCopy()}
	p.Name, p.Namespace, p.UID = fmt.Sprintf("%s-%d", name, i), namespace, types.UID(fmt.Sprintf("pod-%d", m.made))
	p.Generation, p.Spec.NodeName = 1, "node-1"
	p.CreationTimestamp = metav1.NewTime(scheduled.Add(m.skew))
	p.Labels = maps.Clone(p.Labels)
	p.Labels["controller-revision-hash"] = "r1"
	owner := metav1.OwnerReference{Kind: kind, Name: name, UID: types.UID("uid-" + name), Controller: new(true)}
	if kind == "Deployment" {
		p.Name = fmt.Sprintf("%s-%d-%d", name, m.made, i)
		owner.Kind, owner.UID = "ReplicaSet", types.UID("uid-"+name+"-1")
	}
	p.OwnerReferences = []metav1.OwnerReference{owner}
	if p.Spec.Containers[0].Resources.Limits != nil && p.Annotations["kubernetes.io/config.mirror"] == "" {
		p.Status.QOSClass = corev1.PodQOSBurstable
	}
	p.Status.Phase, p.Status.ObservedGeneration = corev1.PodRunning, p.Generation
	started := metav1.NewTime(scheduled.Add(m.skew).Add(time.Duration(m.made) * time.Second))
	for _, c := range p.Spec.Containers {
		p.Status.ContainerStatuses = append(p.Status.ContainerStatuses, corev1.ContainerStatus{
			Name: c.Name, Ready: !m.broken, Started: new(true), Resources: c.Resources.DeepCopy(),
			ContainerID: "containerd://" + string(p.UID), State: corev1.ContainerState{Running: &corev1.ContainerStateRunning{StartedAt: started}},
		})
	}
	m.condition(p, corev1.PodReady, !m.broken)
	return p
}

func (m *model) condition(p *corev1.Pod, kind corev1.PodConditionType, is bool) {
	status := corev1.ConditionFalse
	if is {
		status = corev1.ConditionTrue
	}
	p.Status.Conditions = append(p.Status.Conditions, corev1.PodCondition{Type: kind, Status: status})
}

// preconditioned wants each patch to say which object it is for, and of which version: the same name may
// be another object by now, and somebody else may have written it meanwhile.
func (m *model) preconditioned(a clienttesting.Action, uid types.UID) error {
	var patch struct {
		Metadata struct {
			UID             types.UID
			ResourceVersion *string
			Annotations     map[string]any
		}
	}
	if err := json.Unmarshal(a.(clienttesting.PatchAction).GetPatch(), &patch); err != nil {
		return err
	}
	switch {
	case patch.Metadata.UID == "" || patch.Metadata.ResourceVersion == nil && patch.Metadata.Annotations == nil:
		m.t.Errorf("patch of %s without a precondition: %s", a.GetResource().Resource, a.(clienttesting.PatchAction).GetPatch())
	case patch.Metadata.UID != uid:
		return apierrors.NewConflict(a.GetResource().GroupResource(), a.(clienttesting.PatchAction).GetName(), errors.New("UID in precondition"))
	}
	return nil
}

// resized is the kubelet.
func (m *model) resized(a clienttesting.Action) (bool, runtime.Object, error) {
	if a.GetSubresource() != "resize" {
		return false, nil, nil
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	now, err := m.api.Tracker().Get(podsResource, namespace, a.(clienttesting.PatchAction).GetName())
	if err == nil {
		err = m.preconditioned(a, now.(*corev1.Pod).UID)
	}
	if err != nil {
		return true, nil, err
	}
	_, o, err := clienttesting.ObjectReaction(m.api.Tracker())(a)
	if err != nil {
		return true, nil, err
	}
	p := o.(*corev1.Pod).DeepCopy()
	p.Generation++
	p.Status.Conditions = slices.DeleteFunc(p.Status.Conditions, func(c corev1.PodCondition) bool { return c.Type != corev1.PodReady })
	k := m.kubelet[p.Name]
	if k.kind == "" {
		k = m.kubelet["*"]
	}
	switch {
	case k.kind == "asleep":
	case k.kind != "" && slices.ContainsFunc(p.Spec.Containers, func(c corev1.Container) bool { return differ(c, p.Status) }):
		p.Status.ObservedGeneration = p.Generation
		p.Status.Conditions = append(p.Status.Conditions, corev1.PodCondition{
			Type: corev1.PodConditionType(k.kind), Status: corev1.ConditionTrue, Reason: k.reason, Message: k.message, ObservedGeneration: p.Generation,
		})
	default:
		p.Status.ObservedGeneration = p.Generation
		show(p)
	}
	return true, p, m.api.Tracker().Update(podsResource, p, namespace)
}

func differ(c corev1.Container, s corev1.PodStatus) bool {
	for _, one := range s.ContainerStatuses {
		if one.Name == c.Name {
			return !one.Resources.Limits.Cpu().Equal(*c.Resources.Limits.Cpu()) || !one.Resources.Limits.Memory().Equal(*c.Resources.Limits.Memory())
		}
	}
	return true
}

// show makes the status follow the spec, and restarts containers whose policy says so.
func show(p *corev1.Pod) {
	for i, c := range p.Spec.Containers {
		s := &p.Status.ContainerStatuses[i]
		for _, r := range c.ResizePolicy {
			was, is := s.Resources.Limits[r.ResourceName], c.Resources.Limits[r.ResourceName]
			if r.RestartPolicy == corev1.RestartContainer && !was.Equal(is) {
				s.RestartCount++
				s.State.Running.StartedAt = metav1.NewTime(s.State.Running.StartedAt.Add(time.Hour))
			}
		}
		s.Resources = c.Resources.DeepCopy()
	}
}

// rolled is the controllers: a changed template replaces the pods.
func (m *model) rolled(a clienttesting.Action) (bool, runtime.Object, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	tracker, name := m.api.Tracker(), a.(clienttesting.PatchAction).GetName()
	if a.GetSubresource() != "" {
		return false, nil, nil
	}
	before, err := tracker.Get(a.GetResource(), namespace, name)
	if err == nil {
		err = m.preconditioned(a, before.(metav1.Object).GetUID())
	}
	if err != nil {
		return true, nil, err
	}
	_, after, err := clienttesting.ObjectReaction(tracker)(a)
	if err != nil {
		return true, nil, err
	}
	was, is := templateIn(before), templateIn(after)
	if m.stuck {
		set := after.(*appsv1.StatefulSet)
		set.Generation++
		set.Status.ObservedGeneration, set.Status.UpdateRevision, set.Status.UpdatedReplicas = set.Generation, "r1", *set.Spec.Replicas-1
		return true, set, tracker.Update(statefulSetsResource, set, namespace)
	}
	if resourcesEqual(was, is) && was.Spec.Containers[0].Image == is.Spec.Containers[0].Image {
		return true, after, nil
	}
	return true, after, m.replace(after, is)
}

func resourcesEqual(a, b *corev1.PodTemplateSpec) bool {
	return a.Spec.Containers[0].Resources.Limits.Cpu().Equal(*b.Spec.Containers[0].Resources.Limits.Cpu()) &&
		a.Spec.Containers[0].Resources.Limits.Memory().Equal(*b.Spec.Containers[0].Resources.Limits.Memory()) &&
		a.Spec.Containers[0].Resources.Requests.Cpu().Equal(*b.Spec.Containers[0].Resources.Requests.Cpu()) &&
		a.Spec.Containers[0].Resources.Requests.Memory().Equal(*b.Spec.Containers[0].Resources.Requests.Memory())
}

func templateIn(o runtime.Object) *corev1.PodTemplateSpec {
	switch o := o.(type) {
	case *appsv1.Deployment:
		return &o.Spec.Template
	case *appsv1.StatefulSet:
		return &o.Spec.Template
	}
	return nil
}

// replace rolls a template out: all at once, or, broken, as far as the last pod.
func (m *model) replace(o runtime.Object, template *corev1.PodTemplateSpec) error {
	tracker := m.api.Tracker()
	meta := o.(metav1.Object)
	pods := m.list(meta.GetName())
	first := 0
	if m.broken {
		first = len(pods) - 1
	}
	kind, revision := "Deployment", fmt.Sprintf("r%d", meta.GetGeneration()+1)
	if _, ok := o.(*appsv1.StatefulSet); ok {
		kind = "StatefulSet"
	}
	for i, p := range pods[first:] {
		if err := tracker.Delete(podsResource, namespace, p.Name); err != nil {
			return err
		}
		next := m.podOf(kind, meta.GetName(), *template, first+i)
		next.Labels["controller-revision-hash"] = revision
		if err := tracker.Create(podsResource, next, namespace); err != nil {
			return err
		}
	}
	meta.SetGeneration(meta.GetGeneration() + 1)
	n, updated := int32(len(pods)), int32(len(pods)-first)
	available := n
	if m.broken {
		available--
	}
	switch o := o.(type) {
	case *appsv1.Deployment:
		o.Status = appsv1.DeploymentStatus{ObservedGeneration: o.Generation, Replicas: n, UpdatedReplicas: updated, AvailableReplicas: available, ReadyReplicas: available}
		return tracker.Update(deploymentsResource, o, namespace)
	case *appsv1.StatefulSet:
		o.Status.ObservedGeneration, o.Status.Replicas, o.Status.UpdatedReplicas = o.Generation, n, updated
		o.Status.AvailableReplicas, o.Status.ReadyReplicas, o.Status.UpdateRevision = available, available, revision
		return tracker.Update(statefulSetsResource, o, namespace)
	}
	return nil
}

// deleted is a controller that makes a pod anew.
func (m *model) deleted(a clienttesting.Action) (bool, runtime.Object, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	name := a.(clienttesting.DeleteAction).GetName()
	tracker := m.api.Tracker()
	o, err := tracker.Get(podsResource, namespace, name)
	if err != nil {
		return true, nil, err
	}
	if err := tracker.Delete(podsResource, namespace, name); err != nil {
		return true, nil, err
	}
	return true, nil, m.successor(o.(*corev1.Pod))
}

// successor makes a pod in the place of one that is gone.
func (m *model) successor(p *corev1.Pod) error {
	tracker := m.api.Tracker()
	owner := p.Labels["app"]
	if o, err := tracker.Get(deploymentsResource, namespace, owner); err == nil {
		return tracker.Create(podsResource, m.podOf("Deployment", owner, *templateIn(o), 0), namespace)
	}
	o, err := tracker.Get(statefulSetsResource, namespace, owner)
	if err != nil {
		return err
	}
	set := o.(*appsv1.StatefulSet).DeepCopy()
	next := m.podOf("StatefulSet", owner, set.Spec.Template, 0)
	next.Name = p.Name
	next.Labels["controller-revision-hash"] = set.Status.UpdateRevision
	n := *set.Spec.Replicas
	set.Status.UpdatedReplicas, set.Status.AvailableReplicas, set.Status.ReadyReplicas, set.Status.Replicas = n, n, n, n
	if err := tracker.Update(statefulSetsResource, set, namespace); err != nil {
		return err
	}
	return tracker.Create(podsResource, next, namespace)
}

// list are the pods of a service, by name. The caller holds the lock, or is alone.
func (m *model) list(name string) []corev1.Pod {
	o, err := m.api.Tracker().List(podsResource, corev1.SchemeGroupVersion.WithKind("Pod"), namespace)
	if err != nil {
		m.t.Fatal(err)
	}
	items := slices.DeleteFunc(o.(*corev1.PodList).Items, func(p corev1.Pod) bool { return p.Labels["app"] != name })
	slices.SortFunc(items, func(a, b corev1.Pod) int {
		if a.Name < b.Name {
			return -1
		}
		return 1
	})
	return items
}
