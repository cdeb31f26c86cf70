package kubernetes

import (
	"context"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"

	"github.com/engramd/engramd/actuators"
)

// mayDisrupt asks the PodDisruptionBudgets whether one more pod may be away for a moment. Only
// evictions are held to them by the API server, so a restart of a container in place has to ask.
func (j job) mayDisrupt(ctx context.Context, p corev1.Pod) error {
	list, err := j.cluster.api.PolicyV1().PodDisruptionBudgets(p.Namespace).List(ctx, metav1.ListOptions{})
	if err != nil {
		return fault("list the poddisruptionbudgets", err)
	}
	for _, b := range list.Items {
		selector, err := metav1.LabelSelectorAsSelector(b.Spec.Selector)
		if err != nil || !selector.Matches(labels.Set(p.Labels)) {
			continue
		}
		if b.Status.DisruptionsAllowed < 1 {
			return fmt.Errorf("%w: restart the container of pod %s: the PodDisruptionBudget %s allows no disruption now (%d of %d healthy)",
				actuators.ErrTransient, p.Name, b.Name, b.Status.CurrentHealthy, b.Status.DesiredHealthy)
		}
	}
	return nil
}
