package kubernetes

import (
	"encoding/json"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/engramd/engramd/actuators"
	"github.com/engramd/engramd/policy"
)

// facts are what Plan needs to know of a pod and its workload: Observe gathers them into Part.Raw.
type facts struct {
	Workload  ref       `json:"workload"`
	Namespace string    `json:"namespace"`
	Pod       string    `json:"pod"`
	UID       types.UID `json:"uid"`
	Node      string    `json:"node,omitempty"`
	Container string    `json:"container"`

	Now      settings                 `json:"now"`      // of the pod's container
	Template settings                 `json:"template"` // of the template's
	Restarts map[policy.Resource]bool `json:"restarts,omitempty"`
	QOS      corev1.PodQOSClass       `json:"qos,omitempty"`
	// Others are the settings of the containers that run beside ours, Inits of those that ran before:
	// the bounds of a pod are of all that run, its QoS class of all.
	Others []settings `json:"others,omitempty"`
	Inits  []settings `json:"inits,omitempty"`

	Static  bool `json:"static,omitempty"`
	Windows bool `json:"windows,omitempty"`
	// Rolling and Manual say that a rollout is under way, and that none ever is by itself.
	Rolling string `json:"rolling,omitempty"`
	Manual  string `json:"manual,omitempty"`
	Wanted  int    `json:"wanted"`
	// Operator is who made the workload and keeps its template as it wants it, such as "Cluster db".
	Operator string `json:"operator,omitempty"`

	Whereabouts whereabouts `json:"whereabouts"`
	Claim       *claim      `json:"claim,omitempty"`

	Owners   []owner                      `json:"owners,omitempty"` // of the template's fields
	Rules    rules                        `json:"rules"`
	Hopeless map[policy.Resource]hopeless `json:"hopeless,omitempty"`
}

// factsOf reads the facts back.
func factsOf(p actuators.Part) (facts, error) {
	var f facts
	if err := json.Unmarshal(p.Raw, &f); err != nil {
		return f, fmt.Errorf("kubernetes: the state of %s makes no sense: %w", p.Name, err)
	}
	return f, nil
}
