package kubernetes

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	authorizationv1 "k8s.io/api/authorization/v1"
	coordination "k8s.io/api/coordination/v1"
	events "k8s.io/api/events/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/engramd/engramd/actuators"
)

// probe says what works with the cluster from here, and with which rights.
func probe(ctx context.Context) []actuators.Finding {
	f := actuators.Finding{What: "kubernetes API server"}
	c, err := connect(where{})
	if err != nil {
		f.Detail, f.Remedy = err.Error(), "run engramd in a pod with a service account, or set KUBECONFIG"
		return []actuators.Finding{f}
	}
	defer c.close()
	return c.probe(ctx)
}

func (c *cluster) probe(ctx context.Context) []actuators.Finding {
	f := actuators.Finding{What: "kubernetes API server", Detail: c.host}
	v, err := c.api.Discovery().ServerVersion()
	if err != nil {
		f.Detail, f.Remedy = fault("ask "+c.host+" for its version", err).Error(), "start the API server, or set KUBECONFIG to another one"
		return []actuators.Finding{f}
	}
	f.OK, f.Detail = true, fmt.Sprintf("%s: Kubernetes %s, namespace %s", c.host, v.GitVersion, c.namespace)
	return []actuators.Finding{f, probeResize(v.Major, v.Minor), c.probeRights(ctx)}
}

// The versions since when a running pod can be resized by default, and without reserve.
const (
	resizeSince  = 33
	resizeStable = 35
)

func probeResize(major, minor string) actuators.Finding {
	f := actuators.Finding{What: "kubernetes resize in place"}
	n, err := strconv.Atoi(strings.TrimRight(minor, "+"))
	switch {
	case err != nil || major != "1":
		f.OK, f.Detail = true, "the version is not one that engramd knows"
	case n < resizeSince:
		f.Detail = "this version cannot resize a running pod"
		f.Remedy = "update to Kubernetes 1.35, or set apply: {cpu: restart, memory: restart}"
	case n < resizeStable:
		f.OK, f.Detail = true, "resize in place is beta in this version"
	default:
		f.OK, f.Detail = true, "resize in place is stable in this version"
	}
	return f
}

// A right is something that the driver does.
type right struct{ verb, group, resource, sub string }

// rights are those that every change needs. What only some targets need, their calls ask for.
var rights = []right{
	{"get", "", "pods", ""}, {"list", "", "pods", ""}, {"patch", "", "pods", "resize"},
	{"get", "apps", "deployments", ""}, {"patch", "apps", "deployments", ""}, {"list", "apps", "replicasets", ""},
	{"list", "", "limitranges", ""}, {"list", "", "resourcequotas", ""},
	{"list", "autoscaling", hpaKind, ""}, {"list", "autoscaling.k8s.io", vpaKind, ""}, {"list", "policy", "poddisruptionbudgets", ""},
	{"get", coordination.GroupName, "leases", ""}, {"create", coordination.GroupName, "leases", ""}, {"update", coordination.GroupName, "leases", ""}, {"delete", coordination.GroupName, "leases", ""},
	{"create", events.GroupName, "events", ""}, {"patch", events.GroupName, "events", ""},
}

func (r right) String() string {
	name := r.resource
	if r.sub != "" {
		name += "/" + r.sub
	}
	return r.verb + " " + name
}

func (c *cluster) probeRights(ctx context.Context) actuators.Finding {
	f := actuators.Finding{What: "kubernetes rights"}
	var missing []string
	for _, r := range rights {
		review := &authorizationv1.SelfSubjectAccessReview{Spec: authorizationv1.SelfSubjectAccessReviewSpec{
			ResourceAttributes: &authorizationv1.ResourceAttributes{
				Namespace: c.namespace, Verb: r.verb, Group: r.group, Resource: r.resource, Subresource: r.sub,
			},
		}}
		answer, err := c.api.AuthorizationV1().SelfSubjectAccessReviews().Create(ctx, review, metav1.CreateOptions{})
		if err != nil {
			f.Detail = fault("ask which rights engramd has", err).Error()
			return f
		}
		if !answer.Status.Allowed {
			missing = append(missing, r.String())
		}
	}
	f.OK, f.Detail = len(missing) == 0, "all that a change of a Deployment needs, in namespace "+c.namespace
	if !f.OK {
		f.Detail = "missing in namespace " + c.namespace + ": " + strings.Join(missing, ", ")
		f.Remedy = "apply deploy/kubernetes, which holds exactly the rights used"
	}
	return f
}
