package kubernetes

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"strings"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/engramd/engramd/actuators"
)

// beyondNode is how an API server, which from 1.36 on knows what a node can hold, says what the kubelet
// calls infeasible.
const beyondNode = "node didn't have enough allocatable resources"

// patchPod tells the API server the pod's new size.
func (j job) patchPod(ctx context.Context, p corev1.Pod, r resize) error {
	now, err := settingsIn(p, r.Container)
	if err != nil || now.have(r.Changes) {
		return err
	}
	doing := fmt.Sprintf("resize pod %s: %s", p.Name, r.Changes)
	patch := resizePatch(r.Container, r.Changes)
	patch["metadata"] = map[string]any{"uid": string(p.UID), "resourceVersion": p.ResourceVersion}
	text, err := json.Marshal(patch)
	if err != nil {
		return err
	}
	_, err = j.cluster.api.CoreV1().Pods(p.Namespace).Patch(ctx, p.Name, types.StrategicMergePatchType, text,
		metav1.PatchOptions{FieldManager: manager}, "resize")
	if apierrors.IsForbidden(err) && strings.Contains(err.Error(), beyondNode) {
		return fmt.Errorf("%s: %w", doing, infeasible(err.Error()))
	}
	if apierrors.IsNotFound(err) {
		if _, gone := j.pod(ctx, r); gone != nil {
			return gone
		}
		return fmt.Errorf("%w: %s: this API server has no pods/resize: Kubernetes 1.33 or newer is needed, or apply: restart", actuators.ErrRefused, doing)
	}
	return fault(doing, err)
}

// resizePatch is the patch that a person would give kubectl.
func resizePatch(container string, c changes) map[string]any {
	return map[string]any{"spec": map[string]any{"containers": []any{
		map[string]any{"name": container, "resources": c.tree()},
	}}}
}

// tree is what the changes set, as a patch writes it.
func (c changes) tree() map[string]any {
	all := make(map[string]any)
	for res, one := range c {
		for of, values := range one.To.tree(res) {
			list, ok := all[of].(map[string]any)
			if !ok {
				list = make(map[string]any)
				all[of] = list
			}
			maps.Copy(list, values.(map[string]any))
		}
	}
	return all
}
