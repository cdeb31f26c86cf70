package main

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/engramd/engramd/policy"
	"github.com/engramd/engramd/policy/capacity"
)

func bytesText(n int64) string { return policy.Memory.Format(policy.Amount(n)) }

// capacityText writes a report for people.
func capacityText(w io.Writer, r capacityReport, constants bool) error {
	t := tabwriter.NewWriter(w, 0, 8, 2, ' ', 0)
	line := func(what, value, detail string) { fmt.Fprintf(t, "%s\t%s\t%s\n", what, value, detail) }
	line("model", r.Model, fmt.Sprintf("%s workload", r.Workload.Profile))
	line("memories", fmt.Sprintf("%.0f", r.Workload.Memories), fmt.Sprintf("hot %d, warm %d, cold %d", r.Tiers.Hot, r.Tiers.Warm, r.Tiers.Cold))
	line("cores", fmt.Sprint(r.Cores.Recommended), fmt.Sprintf("%.2f needed: reads %.2f, consolidation %.2f, activation %.2f", r.Cores.Needed, r.Cores.Reads, r.Cores.Consolidation, r.Cores.Activation))
	m := r.Memory
	line("memory", bytesText(m.Recommended), fmt.Sprintf("%s needed, peak %s: hot %s, warm %s, cold %s, index %s, activation %s, runtime %s; page cache %s",
		bytesText(m.Needed), bytesText(m.Peak), bytesText(m.Hot), bytesText(m.Warm), bytesText(m.Cold), bytesText(m.Index), bytesText(m.Activation), bytesText(m.Runtime), bytesText(m.PageCache)))
	s := r.Storage
	line("storage", bytesText(s.Recommended), fmt.Sprintf("%s needed: data %s, log %s, snapshots %s, compaction %s", bytesText(s.Needed), bytesText(s.Data), bytesText(s.Log), bytesText(s.Snapshots), bytesText(s.Compaction)))
	line("IOPS", fmt.Sprintf("%.0f", r.IOPS), "")
	line("network", bytesText(r.NetworkBytes)+"/s", "both ways")
	if r.Suggestion != nil {
		i := r.Suggestion.Instance
		line("instance", i.Name, fmt.Sprintf("%g vCPU, %s; %.2f %s a month with storage and network", i.VCPU, bytesText(i.MemoryBytes), r.Suggestion.Cost.Total, r.Suggestion.Cost.Currency))
	}
	if r.Cost != nil {
		line("cost", fmt.Sprintf("%.2f %s", r.Cost.Total, r.Cost.Currency), "a month, cores, memory and storage by themselves"+missingText(*r.Cost))
	}
	for _, e := range r.Exhaustion {
		until := "never, as far as twenty years"
		if e.Days != nil {
			until = fmt.Sprintf("in %d days", *e.Days)
		}
		line(e.Resource+" of "+bytesText(int64(e.Bytes)), until, "will not do any more")
	}
	if err := t.Flush(); err != nil {
		return err
	}
	if err := growthText(w, r); err != nil {
		return err
	}
	for _, warning := range r.Warnings {
		fmt.Fprintln(w, "warning: "+warning)
	}
	if constants {
		return constantsText(w, r.Constants)
	}
	return nil
}

func missingText(c capacity.Cost) string {
	if len(c.Missing) == 0 {
		return ""
	}
	return "; not counted, for want of a price: " + strings.Join(c.Missing, ", ")
}

func growthText(w io.Writer, r capacityReport) error {
	if len(r.Growth) == 0 {
		return nil
	}
	t := tabwriter.NewWriter(w, 0, 8, 2, ' ', 0)
	fmt.Fprintln(t, "\nIN DAYS\tMEMORIES\tCORES\tMEMORY\tSTORAGE")
	for _, p := range r.Growth {
		e := p.Estimate
		fmt.Fprintf(t, "%d\t%.0f\t%d\t%s\t%s\n", p.Days, e.Workload.Memories, e.Cores.Recommended, bytesText(e.Memory.Recommended), bytesText(e.Storage.Recommended))
	}
	return t.Flush()
}

func constantsText(w io.Writer, all map[string]capacity.Constant) error {
	t := tabwriter.NewWriter(w, 0, 8, 2, ' ', 0)
	fmt.Fprintln(t, "\nCONSTANT\tVALUE\tUNIT\tSOURCE")
	for _, name := range slices.Sorted(maps.Keys(all)) {
		c := all[name]
		fmt.Fprintf(t, "%s\t%g\t%s\t%s\n", name, c.Value, c.Unit, c.Source)
	}
	return t.Flush()
}
