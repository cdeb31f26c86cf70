// Package compare says whether a change of size helped: benchmark results before and after, the scaling guide's rule for them, and how sure that is.
//
// A difference counts only if a rank test (Mann and Whitney's U, exact up to [exactUpTo] samples) says that noise does not make it: noise is not a
// regression. What cannot be told, for want of samples or of a baseline, is inconclusive, with the reason; nothing is divided by zero.
//
// It is arithmetic on values: no I/O and no clock.
package compare
