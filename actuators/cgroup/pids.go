package cgroup

func (g Group) readPIDs(r *reader, p *PIDs) {
	d, ok := g.in("pids")
	if !ok {
		return
	}
	p.Current = r.number(d, "pids.current")
	p.Limit = r.quantity(d, "pids.max")
}
