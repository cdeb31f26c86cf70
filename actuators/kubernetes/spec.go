package kubernetes

import (
	"errors"
	"fmt"
	"regexp"
	"slices"

	"github.com/engramd/engramd/policy"
)

// platform is the driver's name and the key of its section in agent.yaml.
const platform = "kubernetes"

// Spec is the kubernetes section of a target.
type Spec struct {
	// Namespace is where the workload is; empty is the context's, in a pod the pod's own.
	Namespace string `yaml:"namespace,omitempty" json:"namespace,omitempty"`
	// Exactly one of these names the workload. Self is the pod that engramd itself runs in, as a
	// sidecar: only that pod is read and resized.
	Deployment  string `yaml:"deployment,omitempty" json:"deployment,omitempty"`
	StatefulSet string `yaml:"statefulset,omitempty" json:"statefulset,omitempty"`
	DaemonSet   string `yaml:"daemonset,omitempty" json:"daemonset,omitempty"`
	Self        bool   `yaml:"self,omitempty" json:"self,omitempty"`
	// Container is the container's name; empty is the only one.
	Container string `yaml:"container,omitempty" json:"container,omitempty"`
	// Volume is the volume of the pod template whose claim grows for storage, or the claim template of
	// a StatefulSet.
	Volume string `yaml:"volume,omitempty" json:"volume,omitempty"`

	Controls   Controls   `yaml:"controls,omitempty" json:"controls,omitempty" oneof:"both requests limits"`
	Persist    Persist    `yaml:"persist,omitempty" json:"persist,omitempty" oneof:"print-patch none restart"`
	Infeasible Infeasible `yaml:"infeasible,omitempty" json:"infeasible,omitempty" oneof:"report restart"`

	// Kubelet says how use is read from the kubelets.
	Kubelet *Kubelet `yaml:"kubelet,omitempty" json:"kubelet,omitempty"`

	// Kubeconfig and Context say which cluster; without them it is the one that engramd runs in, else
	// that of $KUBECONFIG or ~/.kube/config.
	Kubeconfig string `yaml:"kubeconfig,omitempty" json:"kubeconfig,omitempty"`
	Context    string `yaml:"context,omitempty" json:"context,omitempty"`
}

// Controls says which of a container's resources are changed: both unless it is set.
type Controls string

// What is changed. What a container does not have is never added.
const (
	ControlBoth     Controls = "both" // the default: limit and request, their ratio kept
	ControlRequests Controls = "requests"
	ControlLimits   Controls = "limits"
)

// Persist says how a committed size is to outlive the pods, beside the annotation that resizes later
// pods: print-patch unless it is set.
type Persist string

// How a size persists.
const (
	PersistNone    Persist = "none"
	PersistPrint   Persist = "print-patch" // the default: the plan prints the patch of the template
	PersistRestart Persist = "restart"     // every change is made to the template, by a rollout
)

// Infeasible says what follows when the kubelet can never make a resize: report unless it is set.
type Infeasible string

// What follows.
const (
	InfeasibleReport  Infeasible = "report"  // the default: the change is taken back, and says why
	InfeasibleRestart Infeasible = "restart" // the same, and the next try is a rollout
)

var (
	label     = regexp.MustCompile(`^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$`)
	subdomain = regexp.MustCompile(`^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$`)
)

// maxName is the longest name of a workload or claim.
const maxName = 253

// check completes the defaults and reports every fault.
func check(spec any) error {
	s, ok := spec.(*Spec)
	if !ok {
		return fmt.Errorf("kubernetes: want a *kubernetes.Spec, got %T", spec)
	}
	setDefault(&s.Controls, ControlBoth)
	setDefault(&s.Persist, PersistPrint)
	setDefault(&s.Infeasible, InfeasibleReport)
	return errors.Join(
		s.checkWorkload(),
		checkName("namespace", s.Namespace, label),
		checkName("container", s.Container, label),
		checkName("volume", s.Volume, label),
		oneOf("controls", s.Controls, ControlBoth, ControlRequests, ControlLimits),
		oneOf("persist", s.Persist, PersistPrint, PersistNone, PersistRestart),
		oneOf("infeasible", s.Infeasible, InfeasibleReport, InfeasibleRestart),
		s.Kubelet.check(),
	)
}

func (s *Spec) checkWorkload() error {
	named := slices.DeleteFunc([]string{s.Deployment, s.StatefulSet, s.DaemonSet}, func(n string) bool { return n == "" })
	n := len(named)
	if s.Self {
		n++
	}
	switch {
	case n == 0:
		return errors.New("kubernetes: no workload: give one of deployment, statefulset, daemonset, or self: true in a sidecar")
	case n > 1:
		return errors.New("kubernetes: several workloads: give only one of deployment, statefulset, daemonset and self, and a target for each")
	case s.Self && (s.Kubeconfig != "" || s.Context != "" || s.Namespace != ""):
		return errors.New("kubernetes: self is the pod that engramd runs in: drop namespace, kubeconfig and context")
	case s.Self && s.Persist == PersistRestart, s.Self && s.Infeasible == InfeasibleRestart:
		return errors.New("kubernetes: with self only the own pod is touched, so nothing can be rolled out: drop restart from persist and infeasible, or name the workload")
	}
	return errors.Join(
		checkName("deployment", s.Deployment, subdomain),
		checkName("statefulset", s.StatefulSet, subdomain),
		checkName("daemonset", s.DaemonSet, subdomain),
	)
}

func checkName(key, name string, form *regexp.Regexp) error {
	if name == "" || len(name) <= maxName && form.MatchString(name) {
		return nil
	}
	return fmt.Errorf("kubernetes: %s %.80q is not a name that Kubernetes has: want lower-case letters, digits and -", key, name)
}

func oneOf[S ~string](key string, got S, want ...S) error {
	if slices.Contains(want, got) {
		return nil
	}
	return fmt.Errorf("kubernetes: %s %.40q: want one of %q", key, string(got), want)
}

func setDefault[S ~string](field *S, value S) {
	if *field == "" {
		*field = value
	}
}

// kind and name are the workload's. Of self they are the pod's, whose name only its environment knows.
func (s Spec) kind() string {
	switch {
	case s.Deployment != "":
		return kindDeployment
	case s.StatefulSet != "":
		return kindStatefulSet
	case s.DaemonSet != "":
		return kindDaemonSet
	}
	return kindPod
}

func (s Spec) name() string { return s.Deployment + s.StatefulSet + s.DaemonSet }

// specOf returns the kubernetes section of t.
func specOf(t policy.Target) (Spec, error) {
	var s Spec
	switch v := t.Specs[platform].(type) {
	case *Spec:
		s = *v
	case Spec:
		s = v
	default:
		return Spec{}, fmt.Errorf("target %s has no kubernetes section", t.Name)
	}
	setDefault(&s.Controls, ControlBoth)
	setDefault(&s.Persist, PersistPrint)
	setDefault(&s.Infeasible, InfeasibleReport)
	return s, nil
}
