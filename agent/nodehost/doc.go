// Package nodehost runs a memory node as a server: what `engramd node serve` and the agent that embeds a
// node have in common. It makes the node's options of a configuration, takes the port, puts the same gate
// before the node's API as the agent has before its own, and ends both in order.
//
// [Open] opens everything and starts nothing; [Host.Run] serves until its context ends, lets what is under
// way finish for some seconds, and joins everything it started; [Host.Close] gives everything back and may
// be called twice. [Prepare] is for the process, once, before anything is opened.
package nodehost
