// Package replay runs a sizing policy over recorded demand, in a closed loop, and measures what it
// would have wasted and what it would have withheld.
//
// [Read] turns a recording into a [Trace]: one demand a minute, held between samples. [Run] shows a
// [Policy] every minute what it would have seen live, which is the demand as far as the limit lets it
// through and whether the limit cut it off, and applies the size it wants to the next minute. A
// [Result] holds the limits, the actions and the [Measures]. [Optimum] is what a policy that knows the
// future would have had to hold with as many actions.
//
// Policies for comparison are [Static], [MovingMaximum], [Thresholds] (80/20) and [DailyPercentile]
// (KRR's rule); [Rightsize] adapts the product's own.
//
// A Policy carries the state of one run: make a new one for each trace.
package replay
