// Package kubernetes resizes the pods of a workload in place, or rolls the workload out anew where a
// change cannot be made to a running container.
//
// A live change goes through the resize subresource of each pod, one pod at a time, and never writes
// the workload's template: that would replace every pod. So that pods which appear later get the size
// too, a committed change leaves an annotation on the workload, which [Driver.Reconcile] follows; it
// holds the resources of the template that it stands for, and is void once the user writes others. A
// change that needs a restart applies our container's resources to the template, under a field manager
// of our own, and waits for the rollout; its undo gives back those fields alone, and who owned them.
//
// A size is the container's limit if it has one, else its request. Requests follow in proportion, what
// is missing is never added, and the pod keeps its quality-of-service class.
//
// A [Driver] keeps one client a kubeconfig and context, made at the first call; [Driver.Close] drops
// them. It keeps nothing about targets that it could not lose: every step finds out from the API where
// things stand, so any step may be repeated, and undone by a process that never saw it begin. Times of
// the API server are never compared with ours.
package kubernetes
