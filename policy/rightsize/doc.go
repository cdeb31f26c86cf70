// Package rightsize follows the demand of one resource of one target, down as well as up: from what
// was used, minute by minute, to the size that the target should have, and the rule that says so.
//
// [Options] are the policy, [State] is everything it remembers: a plain value of a few hundred bytes
// that the caller keeps, saves and hands in again. [Options.Observe] is the only thing that changes
// it. Nothing is random and nothing reads the clock, so the same samples give the same sizes.
//
// # Rules
//
// A recommendation is set by one [Rule], the first that applies:
//
//   - evidence: demand was cut off (throttled, under pressure, killed for want of memory), so how much
//     it is cannot be seen. CPU grows to the 80th percentile of the peaks that earlier throttles led
//     to, at least doubling when that is not above the limit; memory grows by a fifth, at least 100 MiB.
//     Nothing may hold such a growth back.
//   - use: memory in use reaches 1/1.1 of the limit. The limit follows it.
//   - overshoot: ten minutes after a growth on evidence, less than half of the new limit was needed.
//     The growth was a guess; it is taken back to what was seen, where an action is cheap.
//   - waste: rent or buy. An idle limit is rent, a resize is the price. The limit comes down to the
//     recent maximum (25 minutes of CPU, a day of memory) and its margin once what that would have
//     saved since the last change exceeds the price, and where it is a decrease by 15% at least.
//   - limits: what is there lies outside the limits of the target.
//   - hold: none of them.
//
// The price of an action is told ([Options.ActionCost]: what the mean demand would occupy in that
// time) and rises with the square of the actions of the last 24 hours above [Options.Busy], so that a
// demand of many bursts is not chased. A thin history has a wider margin: twice as wide at first, as
// configured after a day.
//
// The caller hands in use, not counters: a counter that was reset is an unknown use, NaN. Unknown use,
// a time that was already seen and a time before it teach nothing and change nothing; a clock that was
// set back is believed after five samples.
//
// How the numbers were chosen, and what was tried without gain, is in docs/sizing.md.
package rightsize
