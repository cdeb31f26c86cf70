// Package volume makes file systems larger: the one on a block device of this host, the partition that
// it is in, and, where the device is a volume of Amazon EBS, that volume.
//
// The storage of a target is how much of its disk the file system reaches, counted from the beginning
// of the disk, so that a volume of 100 GiB whose file system fills it has 100Gi, whatever partition
// table and metadata take of that. What is configured is the size of the disk: where the file system
// did not follow its disk the two differ, which engramd tells as drift.
//
// A growth is steps that cannot be undone, and are only finished forward:
//
//	check       can it grow: mounted from the same device, writable, tools and rights there
//	modify      ask AWS for a larger volume, and wait until it has it
//	disk        wait until the kernel sees the larger disk
//	partition   growpart
//	filesystem  resize2fs or xfs_growfs
//
// Only check may fail without consequences, and it changes nothing. Each step looks at what is there
// first: one that was done already does nothing, so that a successor begins again with the first.
// Without a volume of AWS the first and the last two remain: engramd cannot make a bare disk larger.
//
// Tools are run by their full path with a list of arguments, never through a shell, and bounded in
// time. Nothing is written to the disk by this package itself.
//
// The part that talks to AWS is tested against a server that answers as the EC2 API reference says.
// It has not been run against AWS.
package volume
