package kubernetes

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
)

// resizeCommand is what a person would type to resize these pods.
func resizeCommand(pods []pod) string {
	type group struct {
		patch string
		pods  []string
	}
	var groups []group
	for _, p := range pods {
		text, _ := json.Marshal(resizePatch(p.Container, p.changes))
		i := slices.IndexFunc(groups, func(g group) bool { return g.patch == string(text) })
		if i < 0 {
			groups, i = append(groups, group{patch: string(text)}), len(groups)
		}
		groups[i].pods = append(groups[i].pods, p.Pod)
	}
	var lines []string
	for _, g := range groups {
		line := fmt.Sprintf("kubectl -n %s patch pod %s --subresource resize --patch '%s'", pods[0].Namespace, g.pods[0], g.patch)
		if len(g.pods) > 1 {
			line = fmt.Sprintf("for pod in %s; do kubectl -n %s patch pod $pod --subresource resize --patch '%s'; done",
				strings.Join(g.pods, " "), pods[0].Namespace, g.patch)
		}
		lines = append(lines, line)
	}
	return strings.Join(lines, "\n")
}

// rolloutCommand is what a person would type to roll the template out.
func rolloutCommand(t template) string {
	var limits, requests []string
	for _, res := range resizable {
		c, ok := t.Changes[res]
		if ok && c.To.Limit != "" {
			limits = append(limits, string(names[res])+"="+c.To.Limit)
		}
		if ok && c.To.Request != "" {
			requests = append(requests, string(names[res])+"="+c.To.Request)
		}
	}
	kind := strings.ToLower(t.Workload.Kind)
	line := fmt.Sprintf("kubectl -n %s set resources %s %s -c %s", t.Workload.Namespace, kind, t.Workload.Name, t.Container)
	if len(limits) > 0 {
		line += " --limits=" + strings.Join(limits, ",")
	}
	if len(requests) > 0 {
		line += " --requests=" + strings.Join(requests, ",")
	}
	return line + fmt.Sprintf(" && kubectl -n %s rollout status %s %s", t.Workload.Namespace, kind, t.Workload.Name)
}

// lasting tells how long a live change lasts, and what would make it last for good.
func (p *planner) lasting(pods []pod) []string {
	if len(pods) == 0 {
		return nil
	}
	f := pods[0].facts
	if f.Workload.Kind == kindPod {
		return []string{"a resize lasts as long as this pod: to make it last, set the size in the workload's template"}
	}
	var notes []string
	if !f.restartsFor(pods[0].changes) {
		notes = append(notes, "the template is not written, which would replace every pod: pods that come later start at its size, and are resized once they run")
	}
	if p.spec.Persist != PersistPrint {
		return notes
	}
	of := make(changes)
	for res := range pods[0].changes {
		q := p.to[res]
		if to, err := f.Template[res].resized(p.spec.Controls, res, q); err == nil {
			of[res] = change{From: f.Template[res], To: to}
		}
	}
	if len(of) == 0 {
		return notes
	}
	text, _ := json.Marshal(map[string]any{"spec": map[string]any{"template": resizePatch(f.Container, of)}})
	return append(notes, fmt.Sprintf("to make it last, write it into the template (which replaces the pods): kubectl -n %s patch %s %s --patch '%s'",
		f.Namespace, strings.ToLower(f.Workload.Kind), f.Workload.Name, text))
}
