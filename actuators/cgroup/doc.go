// Package cgroup reads what the kernel knows of one control group: its use, its limits, its pressure.
//
// [Find] resolves a process to its [Group] once, over cgroup v1, v2 and the hybrid of both;
// [Group.Read] then takes one sample of it, as often as wanted. A Group is a value that holds paths
// and no open file: it needs no closing, may be read concurrently, and turns into an error that wraps
// [fs.ErrNotExist] when the kernel removes the group.
//
// Absent is not zero. What a kernel, a hierarchy or a container's view does not show is nil, or an
// unset quantity; it is never guessed from elsewhere, such as the host's pressure for a group's.
package cgroup
