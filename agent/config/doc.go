// Package config reads agent.yaml: it decodes strictly, fills in every default, checks that every
// name in it resolves, and reports all faults at once, each with its place and a remedy.
//
// [Load] and [Parse] are all or nothing: they return a complete [Config] or a [Faults]. A Config is
// never changed after that and may be shared between goroutines; a reload makes a new one. It holds
// paths of secrets and never their contents. Loading reads agent.yaml, the rule files that it names
// and nothing else. It asks drivers what they could change, and no daemon anything.
package config
