// Package cgroup finds the control groups of this process, v1 and v2, and reads how many cores they allow. It is
// what the rooms of the node share that compare a use with a limit.
//
// It only reads files of /proc and /sys/fs/cgroup, keeps nothing, and starts nothing.
package cgroup
