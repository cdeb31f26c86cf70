package presets_test

import (
	"math"
	"testing"

	"github.com/engramd/engramd/policy"
)

func TestQueue(t *testing.T) {
	unknown := math.NaN()
	const (
		halve  = "threads.spreading x0.5"
		double = "threads.spreading x2"
		fewer  = "threads.consolidation -1"
		more   = "threads.consolidation +1, at most 2"
	)
	spreading := func(queue, busy, workers, cpu any) map[string]float64 {
		return point("queue", queue, "busy", busy, "workers", workers, "node_cpu", cpu)
	}
	consolidation := func(lag, segments, consolidators, cpu any) map[string]float64 {
		return point("lag", lag, "segments", segments, "consolidators", consolidators, "node_cpu", cpu)
	}
	check(t, "engram-queue", []cell{
		// What the guide says: fewer than 50.
		{"some wait", "spreading", spreading(49.9, 100, 1, 60), policy.None, "", 0},
		{"50 wait, cores are free", "spreading", spreading(50, 100, 1, 60), policy.Scale, double, 0},
		{"many wait, cores are free", "spreading", spreading(1000, 100, 4, 10), policy.Scale, double, 0},
		// Its bounds and holes.
		{"one waits", "spreading", spreading(1, 10, 8, 5), policy.None, "", 0},
		{"nothing has waited for long", "spreading", spreading(0, 5, 2, 3), policy.Scale, halve, 0},
		{"hardly anything waits", "spreading", spreading(0.9, 29.9, 2, 3), policy.Scale, halve, 0},
		{"nothing waits, one worker", "spreading", spreading(0, 0, 1, 3), policy.None, "", 0},
		{"nothing waits, workers are busy", "spreading", spreading(0, 30, 2, 20), policy.None, "", 0},
		{"nothing waits, CPU is used up", "spreading", spreading(0, 90, 2, 99), policy.None, "", 0},
		{"just free", "spreading", spreading(60, 100, 2, 84.9), policy.Scale, double, 0},
		{"50 wait, CPU is used up", "spreading", spreading(50, 100, 2, 85), "hold, diagnose", "", 0},
		// Without its signals.
		{"CPU unknown, none wait", "spreading", spreading(10, 50, 2, unknown), policy.None, "", 0},
		{"CPU unknown, 50 wait", "spreading", spreading(50, 100, 1, unknown), policy.Blind, "", 0},
		{"workers unknown, 50 wait", "spreading", spreading(50, unknown, unknown, 60), policy.Scale, double, 0},
		{"workers unknown, none wait", "spreading", spreading(0, unknown, unknown, 60), policy.Blind, "", 0},
		{"queue unknown", "spreading", spreading(unknown, 100, 1, 60), policy.Blind, "", 0},

		// Every cell of consolidation is open in the guide.
		{"it keeps up", "consolidation", consolidation(300, 0, 1, 60), policy.None, "", 0},
		{"it has kept up for long", "consolidation", consolidation(599, 5, 2, 60), policy.Scale, fewer, 0},
		{"it keeps up, segments wait", "consolidation", consolidation(10, 6, 2, 60), policy.None, "", 0},
		{"two rounds late", "consolidation", consolidation(600, 0, 2, 99), policy.None, "", 0},
		{"three rounds late", "consolidation", consolidation(900, 0, 1, 84.9), policy.Scale, more, 0},
		{"three rounds late, CPU is used up", "consolidation", consolidation(900, 0, 1, 85), "hold, diagnose", "", 0},
		{"segments unknown", "consolidation", consolidation(10, unknown, 2, 60), policy.Blind, "", 0},
		{"segments unknown, late", "consolidation", consolidation(5000, unknown, unknown, 60), policy.Scale, more, 0},
		{"lag unknown", "consolidation", consolidation(unknown, 0, 1, 60), policy.Blind, "", 0},
		{"CPU unknown, late", "consolidation", consolidation(900, 0, 1, unknown), policy.Blind, "", 0},
	})
}
