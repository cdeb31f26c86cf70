package kubernetes

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/engramd/engramd/policy"
)

// rules are what others have laid down for a workload's pods: who else resizes them, and the bounds of
// their namespace.
type rules struct {
	// ScaledOn names, by resource, the autoscaler that counts pods by the use of it.
	ScaledOn map[policy.Resource]string `json:"scaled_on,omitempty"`
	// Replicas names the autoscaler that owns the number of pods.
	Replicas string `json:"replicas,omitempty"`
	// VPA names the VerticalPodAutoscaler that sizes these pods.
	VPA    string  `json:"vpa,omitempty"`
	Bounds []bound `json:"bounds,omitempty"`
	Quotas []quota `json:"quotas,omitempty"`
	// Hidden says what could not be read: then nobody knows whether somebody else is at work.
	Hidden []string `json:"hidden,omitempty"`
}

// A bound is one resource's line of a LimitRange.
type bound struct {
	Name     string          `json:"name"`
	Pod      bool            `json:"pod,omitempty"` // of the pod's sum, else of each container
	Resource policy.Resource `json:"resource"`
	Min      string          `json:"min,omitempty"`
	Max      string          `json:"max,omitempty"`
	Ratio    string          `json:"ratio,omitempty"` // the largest limit / request
}

// A quota is what is left of one ResourceQuota's sum.
type quota struct {
	Name     string          `json:"name"`
	Resource policy.Resource `json:"resource"`
	Limits   bool            `json:"limits,omitempty"` // of limits, else of requests
	Left     int64           `json:"left"`
}

// rulesFor is how long what a namespace has laid down is taken as known. The API server holds its
// bounds at every request anyway; this is to refuse before anything is touched.
const rulesFor = 5 * time.Second

// house is what one namespace has laid down.
type house struct {
	at     time.Time
	hpas   []autoscalingv2.HorizontalPodAutoscaler
	vpas   []vpa
	bounds []bound
	quotas []quota
	hidden []string
}

// rules gathers what concerns w. Of a sidecar's own pod only the namespace's bounds would, and those
// it has no business to read.
func (c *cluster) rules(ctx context.Context, w workload) (rules, error) {
	if w.pod != nil {
		return rules{}, nil
	}
	h, err := c.house(ctx, w.Namespace)
	if err != nil {
		return rules{}, err
	}
	r := rules{Bounds: h.bounds, Quotas: h.quotas, Hidden: h.hidden}
	for _, a := range h.hpas {
		if s := a.Spec.ScaleTargetRef; s.Kind == w.Kind && s.Name == w.Name {
			r.Replicas, r.ScaledOn = a.Name, scaledOn(a)
		}
	}
	for _, v := range h.vpas {
		if v.Spec.TargetRef.Kind == w.Kind && v.Spec.TargetRef.Name == w.Name && v.Spec.UpdatePolicy.UpdateMode != "Off" {
			r.VPA = v.Metadata.Name
		}
	}
	return r, nil
}

func scaledOn(a autoscalingv2.HorizontalPodAutoscaler) map[policy.Resource]string {
	m := make(map[policy.Resource]string)
	for _, metric := range a.Spec.Metrics {
		for res, name := range names {
			if metric.Resource != nil && metric.Resource.Name == name ||
				metric.ContainerResource != nil && metric.ContainerResource.Name == name {
				m[res] = a.Name
			}
		}
	}
	return m
}

// house reads what namespace has laid down, unless that was read just now.
func (c *cluster) house(ctx context.Context, namespace string) (house, error) {
	c.mu.Lock()
	h, ok := c.houses[namespace]
	c.mu.Unlock()
	if ok && time.Since(h.at) < rulesFor {
		return h, nil
	}
	h = house{at: time.Now()}
	for _, read := range []func(context.Context, string, *house) error{c.hpas, c.vpas, c.bounds, c.quotas} {
		if err := read(ctx, namespace, &h); err != nil {
			return house{}, err
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.houses == nil {
		c.houses = make(map[string]house)
	}
	c.houses[namespace] = h
	return h, nil
}

// hide notes that something could not be read for lack of a right. Of a kind that this API server does
// not have there is nothing; other errors pass.
func (h *house) hide(what string, err error) error {
	if apierrors.IsNotFound(err) {
		return nil
	}
	if apierrors.IsForbidden(err) {
		h.hidden = append(h.hidden, what)
		return nil
	}
	return fault("list the "+what, err)
}

func (c *cluster) hpas(ctx context.Context, namespace string, h *house) error {
	list, err := c.api.AutoscalingV2().HorizontalPodAutoscalers(namespace).List(ctx, metav1.ListOptions{})
	if err != nil {
		return h.hide(hpaKind, err)
	}
	h.hpas = list.Items
	return nil
}

const (
	hpaKind = "horizontalpodautoscalers"
	vpaKind = "verticalpodautoscalers"
)

// A vpa is as much of a VerticalPodAutoscaler as matters here: its kind need not exist.
type vpa struct {
	Metadata struct {
		Name string `json:"name"`
	} `json:"metadata"`
	Spec struct {
		TargetRef struct {
			Kind string `json:"kind"`
			Name string `json:"name"`
		} `json:"targetRef"`
		UpdatePolicy struct {
			UpdateMode string `json:"updateMode"`
		} `json:"updatePolicy"`
	} `json:"spec"`
}

func (c *cluster) vpas(ctx context.Context, namespace string, h *house) error {
	text, err := c.raw(ctx, "/apis/autoscaling.k8s.io/v1/namespaces/"+namespace+"/"+vpaKind)
	if err != nil { // not found: nobody has installed it
		return h.hide(vpaKind, err)
	}
	var list struct{ Items []vpa }
	if err := json.Unmarshal(text, &list); err != nil {
		return fmt.Errorf("list the %s: %w", vpaKind, err)
	}
	h.vpas = list.Items
	return nil
}

func (c *cluster) bounds(ctx context.Context, namespace string, h *house) error {
	list, err := c.api.CoreV1().LimitRanges(namespace).List(ctx, metav1.ListOptions{})
	if err != nil {
		return h.hide("limitranges", err)
	}
	for _, l := range list.Items {
		for _, item := range l.Spec.Limits {
			if item.Type != corev1.LimitTypeContainer && item.Type != corev1.LimitTypePod {
				continue
			}
			for _, res := range resizable {
				name := names[res]
				b := bound{Name: l.Name, Pod: item.Type == corev1.LimitTypePod, Resource: res,
					Min: text(item.Min, name), Max: text(item.Max, name), Ratio: text(item.MaxLimitRequestRatio, name)}
				if b.Min+b.Max+b.Ratio != "" {
					h.bounds = append(h.bounds, b)
				}
			}
		}
	}
	return nil
}

// quotaNames are the sums that a resize counts towards, and whether of limits.
var quotaNames = []struct {
	name   corev1.ResourceName
	res    policy.Resource
	limits bool
}{
	{corev1.ResourceCPU, policy.CPU, false}, {corev1.ResourceRequestsCPU, policy.CPU, false}, {corev1.ResourceLimitsCPU, policy.CPU, true},
	{corev1.ResourceMemory, policy.Memory, false}, {corev1.ResourceRequestsMemory, policy.Memory, false}, {corev1.ResourceLimitsMemory, policy.Memory, true},
}

// quotas reads what is left. A quota with a scope may not be about these pods: those the API server
// alone judges.
func (c *cluster) quotas(ctx context.Context, namespace string, h *house) error {
	list, err := c.api.CoreV1().ResourceQuotas(namespace).List(ctx, metav1.ListOptions{})
	if err != nil {
		return h.hide("resourcequotas", err)
	}
	for _, q := range list.Items {
		if len(q.Spec.Scopes) > 0 || q.Spec.ScopeSelector != nil {
			continue
		}
		for _, n := range quotaNames {
			hard, ok := q.Status.Hard[n.name]
			if !ok {
				continue
			}
			left := hard.DeepCopy()
			left.Sub(q.Status.Used[n.name])
			amount, _ := units(n.res, left.String())
			h.quotas = append(h.quotas, quota{Name: q.Name, Resource: n.res, Limits: n.limits, Left: amount})
		}
	}
	return nil
}
