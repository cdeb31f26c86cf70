// Package docker runs a real Docker Engine for one test, and takes away everything that it made.
//
// [Start] runs a containerd and a dockerd of the test's own, side by side with any other on the machine: their files are
// below one temporary directory, their containers below one cgroup, their networks in a subnet that is claimed for them.
// They use neither the machine's daemon.json nor its containerd, and change neither iptables nor sysctls: ports are
// published by docker-proxy, which is enough for loopback. Names between containers of a user-defined network work.
//
// A Daemon lives until Stop, which t.Cleanup calls. Stop does not ask the daemon, which may be dead or hang: it kills what
// carries the environment's marks, unmounts and removes it, and fails the test if anything is left. An environment whose
// test process was killed is cleaned up by the next Start on the machine ([Sweep]).
//
// What to know when dockerd is killed ([Daemon.Kill]) under containers that live on ([LiveRestore]): docker-proxy dies
// with dockerd, so use host networking (the default of [Spec]) where load must go on.
package docker
