package compare

import (
	"math"
	"math/rand/v2"
	"testing"
)

// Values of tables and of R's wilcox.test(exact = TRUE); shared ranks counted by hand.
func TestRanksAgainstKnownValues(t *testing.T) {
	for name, c := range map[string]struct {
		a, b []float64
		want float64
	}{
		"4 and 4 apart: 2 of 70":                    {[]float64{1, 2, 3, 4}, []float64{5, 6, 7, 8}, 2.0 / 70},
		"5 and 5 apart: 2 of 252":                   {[]float64{6, 7, 8, 9, 10}, []float64{1, 2, 3, 4, 5}, 2.0 / 252},
		"5 and 5, U = 2, the table's bound of 0.05": {[]float64{1, 2, 3, 4, 7}, []float64{5, 6, 8, 9, 10}, 8.0 / 252},
		"Hollander and Wolfe, W = 35": {
			[]float64{0.80, 0.83, 1.89, 1.04, 1.45, 1.38, 1.91, 1.64, 0.73, 1.46}, []float64{1.15, 0.88, 0.90, 0.74, 1.21}, 0.2544,
		},
		"shared ranks: 2 of 6 ways": {[]float64{1, 2}, []float64{2, 3}, 4.0 / 6},
		"all the same":              {[]float64{5, 5, 5}, []float64{5, 5, 5}, 1},
		"nothing":                   {nil, []float64{1}, 1},
	} {
		if got := bothWays(c.a, c.b); math.Abs(got-c.want) > 5e-5 {
			t.Errorf("%s: got %v, want %v", name, got, c.want)
		}
	}
}

// Both ways of reckoning agree where both may be used, with and without shared ranks.
func TestTheNormalDistributionAgreesWithCounting(t *testing.T) {
	random := rand.New(rand.NewPCG(3, 4))
	for i := range 50 {
		a, b := make([]float64, 22), make([]float64, 25)
		for _, s := range [][]float64{a, b} {
			for k := range s {
				s[k] = math.Round(random.NormFloat64()*10) / float64(1+i%2)
			}
		}
		ranks, sum := rank(a, b)
		l1, g1 := counted(ranks, len(a), sum)
		l2, g2 := approximated(ranks, len(a), sum)
		if math.Abs(l1-l2) > 0.01 || math.Abs(g1-g2) > 0.01 {
			t.Fatalf("counted %v %v, approximated %v %v", l1, g1, l2, g2)
		}
	}
	same := make([]float64, 40)
	if p := bothWays(same, same); p != 1 {
		t.Errorf("80 that are equal: %v", p)
	}
}

func TestHowManySamplesCanTell(t *testing.T) {
	if got := least(4, 4); math.Abs(got-2.0/70) > 1e-9 {
		t.Errorf("got %v", got)
	}
	if enough(0.05) != 4 || enough(0.05/3) != 5 {
		t.Errorf("got %d and %d", enough(0.05), enough(0.05/3))
	}
}
