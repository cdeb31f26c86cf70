package kubernetes

import (
	"fmt"
	"math/big"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"

	"github.com/engramd/engramd/actuators"
	"github.com/engramd/engramd/policy"
)

// A setting is what a container asks for and may use of one resource, as Kubernetes writes it; "" is
// missing. The text is kept, so that an undo gives back just what was there.
type setting struct {
	Request string `json:"request,omitempty"`
	Limit   string `json:"limit,omitempty"`
}

// settings are those of one container, by resource.
type settings map[policy.Resource]setting

// resizable is what a container can be resized in, and names are Kubernetes' names of it.
var resizable = []policy.Resource{policy.CPU, policy.Memory}

var names = map[policy.Resource]corev1.ResourceName{policy.CPU: corev1.ResourceCPU, policy.Memory: corev1.ResourceMemory}

func settingsOf(r corev1.ResourceRequirements) settings {
	all := make(settings)
	for _, res := range resizable {
		all[res] = setting{Request: text(r.Requests, names[res]), Limit: text(r.Limits, names[res])}
	}
	return all
}

func text(list corev1.ResourceList, name corev1.ResourceName) string {
	q, ok := list[name]
	if !ok {
		return ""
	}
	return q.String()
}

// units is what a text comes to in the resource's unit, false if it is missing.
func units(res policy.Resource, text string) (int64, bool) {
	q, err := resource.ParseQuantity(text)
	if err != nil { // only "" can be: the API server took the others
		return 0, false
	}
	if res == policy.CPU {
		return q.MilliValue(), true
	}
	return q.Value(), true
}

func written(res policy.Resource, n int64) string {
	if res == policy.CPU {
		return resource.NewMilliQuantity(n, resource.DecimalSI).String()
	}
	return resource.NewQuantity(n, resource.BinarySI).String()
}

// controlled is the text that is the size under c: the limit if there is one, else the request.
func (s setting) controlled(c Controls) string {
	switch {
	case c == ControlRequests:
		return s.Request
	case c == ControlLimits || s.Limit != "":
		return s.Limit
	}
	return s.Request
}

// quantity is the size of a container with s.
func (s setting) quantity(c Controls, res policy.Resource) policy.Quantity {
	n, ok := units(res, s.controlled(c))
	if !ok {
		return policy.Quantity{}
	}
	return policy.Amount(n)
}

// same reports that both mean the same amounts, however they are written.
func (s setting) same(res policy.Resource, o setting) bool {
	equal := func(a, b string) bool {
		n, ok := units(res, a)
		m, ok2 := units(res, b)
		return n == m && ok == ok2
	}
	return equal(s.Request, o.Request) && equal(s.Limit, o.Limit)
}

// resized is s at another size. Under [ControlBoth] the request keeps its share of the limit.
func (s setting) resized(c Controls, res policy.Resource, to policy.Quantity) (setting, error) {
	n, limited := to.Amount()
	if !limited || n <= 0 {
		return s, fmt.Errorf("%w: a container's %s cannot be taken away in a running pod, only set: take it out of the template, or give release what it had", actuators.ErrRefused, res)
	}
	if s.controlled(c) == "" {
		return s, s.nothingToControl(c, res)
	}
	size := written(res, n)
	switch {
	case c == ControlRequests:
		return setting{Request: size, Limit: s.Limit}, s.inOrder(c, res, setting{Request: size, Limit: s.Limit})
	case c == ControlLimits:
		return setting{Request: s.Request, Limit: size}, s.inOrder(c, res, setting{Request: s.Request, Limit: size})
	case s.Limit == "":
		return setting{Request: size}, nil
	case s.Request == "":
		return setting{Limit: size}, nil
	}
	return setting{Request: written(res, s.share(res, n)), Limit: size}, nil
}

// share is the request that goes with a limit of n, in the ratio of s.
func (s setting) share(res policy.Resource, n int64) int64 {
	request, _ := units(res, s.Request)
	limit, _ := units(res, s.Limit)
	if limit == 0 || request >= limit {
		return n
	}
	scaled := new(big.Int).Mul(big.NewInt(request), big.NewInt(n))
	share := scaled.Div(scaled, big.NewInt(limit)).Int64()
	if request > 0 {
		share = max(share, 1)
	}
	return share
}

func (s setting) nothingToControl(c Controls, res policy.Resource) error {
	if c == ControlBoth {
		return fmt.Errorf("%w: the container has neither a request nor a limit of %s, and what is missing is never added: a resize must keep the pod's QoS class; set one in the template", actuators.ErrRefused, res)
	}
	return fmt.Errorf("%w: controls: %s, and the container has none of %s; what is missing is never added: set one in the template, or controls: both", actuators.ErrRefused, c, res)
}

// inOrder refuses a request above its limit.
func (s setting) inOrder(c Controls, res policy.Resource, to setting) error {
	request, ok := units(res, to.Request)
	limit, limited := units(res, to.Limit)
	if !ok || !limited || request <= limit {
		return nil
	}
	return fmt.Errorf("%w: with controls: %s the request of %s would be %s and the limit %s, and a request cannot be above its limit: use controls: both",
		actuators.ErrRefused, c, res, to.Request, to.Limit)
}

// tree is s as a patch writes it: {"requests": {"cpu": "1"}, "limits": ...}.
func (s setting) tree(res policy.Resource) map[string]any {
	t := make(map[string]any)
	if s.Request != "" {
		t["requests"] = map[string]any{string(names[res]): s.Request}
	}
	if s.Limit != "" {
		t["limits"] = map[string]any{string(names[res]): s.Limit}
	}
	return t
}

func (s setting) String() string {
	switch {
	case s.Limit == "" && s.Request == "":
		return "none"
	case s.Limit == "":
		return "request " + s.Request
	case s.Request == "" || s.Request == s.Limit:
		return s.Limit
	}
	return s.Limit + " (request " + s.Request + ")"
}
