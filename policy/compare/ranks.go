package compare

import (
	"math"
	"slices"
)

// exactUpTo is how many samples together are counted out; beyond them the normal distribution is as good.
const exactUpTo = 50

// tails is how likely noise makes the samples of a as small as they are beside those of b, or smaller, and as large or larger: Mann
// and Whitney's test, one-sided, both ways. Equal samples share their ranks; the exact distribution counts them so too.
func tails(a, b []float64) (less, greater float64) {
	if len(a) == 0 || len(b) == 0 {
		return 1, 1
	}
	ranks, sum := rank(a, b)
	if len(ranks) <= exactUpTo {
		return counted(ranks, len(a), sum)
	}
	return approximated(ranks, len(a), sum)
}

// rank returns twice the rank of each sample of both, so that shared ranks are whole numbers, and the sum of those of a.
func rank(a, b []float64) (ranks []int, sum int) {
	all := slices.Concat(a, b)
	slices.Sort(all)
	of := map[float64]int{}
	for i := 0; i < len(all); {
		j := i
		for j < len(all) && all[j] == all[i] {
			j++
		}
		for range j - i {
			ranks = append(ranks, i+j+1) // the mean of i+1 to j, twice
		}
		of[all[i]] = i + j + 1
		i = j
	}
	for _, v := range a {
		sum += of[v]
	}
	return ranks, sum
}

// counted goes through all ways in which n of the ranks could have been those of a, by their sums.
func counted(ranks []int, n, sum int) (less, greater float64) {
	total := 0
	for _, r := range ranks {
		total += r
	}
	ways := make([][]float64, n+1) // by how many were taken, and their sum
	for i := range ways {
		ways[i] = make([]float64, total+1)
	}
	ways[0][0] = 1
	for _, r := range ranks {
		for i := n; i > 0; i-- {
			for s := total; s >= r; s-- {
				ways[i][s] += ways[i-1][s-r]
			}
		}
	}
	var all, low, high float64
	for s, w := range ways[n] {
		all += w
		if s <= sum {
			low += w
		}
		if s >= sum {
			high += w
		}
	}
	return low / all, high / all
}

// approximated takes the sum of the ranks as normal, with the variance that shared ranks leave, and half a rank for being discrete.
func approximated(ranks []int, n, sum int) (less, greater float64) {
	size := float64(len(ranks))
	var squares float64
	for _, r := range ranks {
		d := float64(r) - (size + 1)
		squares += d * d
	}
	if squares == 0 {
		return 1, 1
	}
	k := float64(n)
	sigma := math.Sqrt(k * (size - k) / size / (size - 1) * squares)
	z := func(shift float64) float64 { return (float64(sum) - k*(size+1) + shift) / sigma }
	return normal(z(1)), normal(-z(-1))
}

// normal is the distribution function.
func normal(z float64) float64 { return math.Erfc(-z/math.Sqrt2) / 2 }

// bothWays is the chance that noise makes a difference as large, whichever way.
func bothWays(a, b []float64) float64 {
	less, greater := tails(a, b)
	return min(1, 2*min(less, greater))
}

// least is the smallest chance that so many samples can show: all of one side beyond all of the other.
func least(n, m int) float64 {
	lnFactorial := func(k int) float64 { v, _ := math.Lgamma(float64(k) + 1); return v }
	return min(1, 2*math.Exp(lnFactorial(n)+lnFactorial(m)-lnFactorial(n+m)))
}
