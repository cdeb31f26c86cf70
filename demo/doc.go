// Package demo shows engramd at work in about a minute, with nothing else installed: a real agent looks after
// a real memory node in this process, a load drives the node through calm, rising, spiking and pathological
// phases, and what the agent decides, does, validates and takes back is drawn while it happens ([show]).
//
// Only the load is scripted. The configuration (agent.yaml, embedded) has the agent's own rules at a demo's
// pace; every decision, validation and outcome is the agent's, and what the summary says is read from its
// journal. A phase goes on until what it is for has happened, or its time is over: then the summary says what
// did not happen.
//
// # The same on every machine
//
// Phases are judged by what waits for a worker, never by times. The clients of a phase ask again as soon as
// they are answered, so that there are always as many spreads waiting as there are clients without a worker,
// on a slow machine as on a fast one. Spreads are made so large that one takes some hundredths of a second
// here. And two cores are dedicated to spreads, the rest of the machine to everything else: two workers use them
// up, so that more of them help nobody, on two cores as on 64. That is the pathological phase.
//
// # Ownership and lifetime
//
// [Run] owns everything: a directory below the system's for temporary files (or one that it is told), two
// ports on loopback, the agent with its node, the clients. All of it has ended when Run returns. What stays
// is the directory with the journal, if the demo came to its end, so that `engramd explain` can read it; of a
// demo that was interrupted nothing stays. What one that was killed leaves among the temporary files, the next
// one removes; in a directory that somebody named it stays, for nobody may remove that but who named it.
package demo
