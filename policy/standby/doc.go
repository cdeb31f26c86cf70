// Package standby sizes what stands by for disaster: cold, warm or hot, from production's sizes, with the time to recover and the share of
// production's cost. The numbers are those of the scaling guide's "Disaster Recovery Scaling Considerations".
//
// It is arithmetic on values: no I/O and no clock.
package standby
