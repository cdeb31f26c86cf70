package spread_test

import (
	"cmp"
	"maps"
	"math"
	"math/big"
	"slices"

	"github.com/engramd/engramd/node/record"
	"github.com/engramd/engramd/node/spread"
)

// A plain is a graph in maps, and the rule of package spread written down over it once more, in big loops and
// with nothing shared: the reference.
type plain struct {
	alive map[record.Ord]bool
	edges map[record.Ord]map[record.Ord]record.Weight
}

func newPlain() *plain {
	return &plain{alive: map[record.Ord]bool{}, edges: map[record.Ord]map[record.Ord]record.Weight{}}
}

func (p *plain) apply(op record.Op) {
	switch op.Kind {
	case record.Put:
		p.alive[op.Ord] = true
	case record.Delete:
		delete(p.alive, op.Ord)
		delete(p.edges, op.Ord)
	case record.Link:
		if p.edges[op.Ord] == nil {
			p.edges[op.Ord] = map[record.Ord]record.Weight{}
		}
		p.edges[op.Ord][op.To] = op.Weight
	case record.Unlink:
		delete(p.edges[op.Ord], op.To)
	case record.Strengthen:
		if _, ok := p.edges[op.Ord][op.To]; ok {
			p.edges[op.Ord][op.To] = op.Weight
		}
	}
}

// first returns the targets of a source that count, strongest first.
func (p *plain) first(from record.Ord, fanOut int) []record.Ord {
	var to []record.Ord
	for t := range p.edges[from] {
		if p.alive[t] {
			to = append(to, t)
		}
	}
	size := func(t record.Ord) int { return int(math.Abs(float64(p.edges[from][t]))) }
	slices.SortFunc(to, func(a, b record.Ord) int { return cmp.Or(cmp.Compare(size(b), size(a)), cmp.Compare(a, b)) })
	return to[:min(len(to), fanOut)]
}

// times returns a * b / c, rounded towards zero, in numbers without end.
func times(a, b, c int64) int64 {
	x := new(big.Int).Mul(big.NewInt(a), big.NewInt(b))
	return x.Quo(x, big.NewInt(c)).Int64()
}

const unit = 1 << 30

func round(x float64) int64 {
	n := int64(math.Round(x * unit))
	if x > 0 {
		n = max(n, 1)
	}
	return n
}

func (p *plain) spread(seeds []spread.Seed, o spread.Options) spread.Result {
	var result spread.Result
	total := map[record.Ord]int64{}
	sent := map[record.Ord]int64{}
	path := map[record.Ord][]record.Ord{}
	for _, s := range seeds {
		if !p.alive[s.Ord] {
			result.Absent++
			continue
		}
		total[s.Ord] = min(total[s.Ord]+round(s.Activation), unit)
		path[s.Ord] = []record.Ord{s.Ord}
	}
	for hop := 1; hop <= o.Hops; hop++ {
		given := map[record.Ord]map[record.Ord]int64{} // to, from
		senders := 0
		for from, a := range total {
			if a < round(o.Threshold) || a <= sent[from] {
				continue
			}
			senders++
			share := times(a-sent[from], round(o.Decay), unit)
			for _, to := range p.first(from, o.FanOut) {
				amount := times(share, int64(p.edges[from][to]), 20000)
				if amount == 0 {
					continue
				}
				if given[to] == nil {
					given[to] = map[record.Ord]int64{}
				}
				given[to][from] = amount
				result.Edges++
			}
			sent[from] = a
		}
		if senders == 0 {
			break
		}
		result.Hops = hop
		for to, amounts := range given {
			sum, best, via := total[to], int64(0), record.Ord(0)
			for from, amount := range amounts {
				sum += amount
				if amount > best || amount == best && from < via {
					best, via = amount, from
				}
			}
			total[to] = max(0, min(sum, unit))
			if total[to] > 0 && path[to] == nil {
				path[to] = append(slices.Clone(path[via]), to)
			}
		}
	}
	for _, a := range total {
		if a > 0 {
			result.Reached++
		}
	}
	order := slices.SortedFunc(maps.Keys(total), func(a, b record.Ord) int {
		return cmp.Or(cmp.Compare(total[b], total[a]), cmp.Compare(a, b))
	})
	result.Hits = []spread.Hit{}
	for _, ord := range order {
		switch {
		case len(result.Hits) == o.Limit || total[ord] == 0:
		case o.WithoutSeeds && len(path[ord]) == 1:
		case o.Keep != nil && !o.Keep(ord):
		default:
			result.Hits = append(result.Hits, spread.Hit{Ord: ord, Activation: float64(total[ord]) / unit, Path: path[ord]})
		}
	}
	return result
}
