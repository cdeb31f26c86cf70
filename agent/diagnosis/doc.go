// Package diagnosis gathers the evidence for a diagnosis and has it judged.
//
// What the collectors measured of the target comes from memory ([Senses.Used]: control group, threads,
// pressure), what the target tells of itself (Go's runtime, a memory node) and what the host shows come by
// PromQL from where signals come from. Each number may be absent, and a source that does not answer in time
// leaves its numbers out: policy/diagnose says what is missing.
//
// Nothing is kept and nothing is started: [Look] asks a few questions at once and joins them.
package diagnosis
