package kubernetes

import (
	"fmt"
	"maps"
	"slices"

	corev1 "k8s.io/api/core/v1"

	"github.com/engramd/engramd/actuators"
	"github.com/engramd/engramd/policy"
)

// fits refuses what the API server would, before anything is touched: another QoS class, and what the
// bounds of the namespace do not allow. of says what a pod has and what of that changes.
func (p *planner) fits(of func(pod) (settings, changes)) error {
	more := make(map[quotaKey]int64)
	for _, pod := range p.pods {
		now, changed := of(pod)
		after := maps.Clone(now)
		for res, c := range changed {
			after[res] = c.To
			more[quotaKey{res, true}] += added(res, c.From.Limit, c.To.Limit)
			more[quotaKey{res, false}] += added(res, c.From.Request, c.To.Request)
		}
		if len(changed) == 0 {
			continue
		}
		if err := pod.sameClass(now, after); err != nil {
			return err
		}
		for _, b := range pod.Rules.Bounds {
			if _, ok := changed[b.Resource]; !ok {
				continue
			}
			if err := b.allows(after[b.Resource], append(slices.Clone(pod.Others), after)); err != nil {
				return fmt.Errorf("%s: %w", pod.Pod, err)
			}
		}
	}
	for _, q := range p.pods[0].Rules.Quotas {
		if n := more[quotaKey{q.Resource, q.Limits}]; n > 0 && n > q.Left {
			return fmt.Errorf("%w: %d pods would need %s more of %s, and the ResourceQuota %s has %s left: raise it, or give the target a lower max",
				actuators.ErrRefused, len(p.pods), q.Resource.Format(policy.Amount(n)), q, q.Name, q.Resource.Format(policy.Amount(q.Left)))
		}
	}
	return nil
}

type quotaKey struct {
	res    policy.Resource
	limits bool
}

func (q quota) String() string {
	if q.Limits {
		return "limits." + string(q.Resource)
	}
	return "requests." + string(q.Resource)
}

func added(res policy.Resource, from, to string) int64 {
	n, _ := units(res, to)
	m, _ := units(res, from)
	return n - m
}

// sameClass keeps the pod's quality-of-service class.
func (p pod) sameClass(now, after settings) error {
	rest := slices.Concat(p.Others, p.Inits)
	was, is := class(append(slices.Clone(rest), now)), class(append(slices.Clone(rest), after))
	if was == is {
		return nil
	}
	return fmt.Errorf("%w: %s would become %s instead of %s, and a resize must keep the QoS class: use controls: both, which keeps the ratio",
		actuators.ErrRefused, p.Pod, is, was)
}

// class is the QoS class of a pod with these containers.
func class(containers []settings) corev1.PodQOSClass {
	guaranteed, any := true, false
	for _, c := range containers {
		for _, res := range resizable {
			s := c[res]
			any = any || s.Request != "" || s.Limit != ""
			if s.Limit == "" || s.Request != "" && !s.same(res, setting{Request: s.Limit, Limit: s.Limit}) {
				guaranteed = false
			}
		}
	}
	switch {
	case !any:
		return corev1.PodQOSBestEffort
	case guaranteed:
		return corev1.PodQOSGuaranteed
	}
	return corev1.PodQOSBurstable
}

// allows refuses what the LimitRange would.
func (b bound) allows(s setting, all []settings) error {
	request, asks := units(b.Resource, s.Request)
	limit, limited := units(b.Resource, s.Limit)
	what := fmt.Sprintf("%s of the container", b.Resource)
	if b.Pod {
		what = fmt.Sprintf("%s of the pod", b.Resource)
		request, limit = 0, 0
		for _, c := range all {
			r, _ := units(b.Resource, c[b.Resource].Request)
			l, ok := units(b.Resource, c[b.Resource].Limit)
			request, limit, limited = request+r, limit+l, limited && ok
		}
	}
	refuse := func(is, bound, text string) error {
		return fmt.Errorf("%w: the %s would be %s, and the LimitRange %s allows %s %s: change it, or the target's limits",
			actuators.ErrRefused, what, is, b.Name, bound, text)
	}
	if n, ok := units(b.Resource, b.Min); ok && asks && request < n {
		return refuse("request "+written(b.Resource, request), "no less than", b.Min)
	}
	if n, ok := units(b.Resource, b.Max); ok && (limited && limit > n || request > n) {
		return refuse(written(b.Resource, max(limit, request)), "no more than", b.Max)
	}
	if n, ok := units(policy.CPU, b.Ratio); ok && asks && limited && request > 0 && limit*1000 > request*n {
		return refuse(fmt.Sprintf("limit %s for a request of %s", s.Limit, s.Request), "a limit of no more times the request than", b.Ratio)
	}
	return nil
}
