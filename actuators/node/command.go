package node

import (
	"net"
	"net/url"
	"strings"

	"github.com/engramd/engramd/actuators"
)

// commands are what a person would type.
func commands(s Spec, steps []actuators.Step) string {
	paths := map[string]string{
		kindThreading: threadingPath, kindEviction: evictionPath, kindMemory: memoryPath, kindWAL: walPath,
		kindEvict: evictPath, kindCompact: compactPath, kindPrune: snapshotsPath + "/prune", kindArchive: snapshotsPath + "/archive",
	}
	var lines []string
	for _, step := range steps {
		line := curl(s, paths[step.Kind])
		if body := string(step.Args); body != "{}" {
			line += " -H 'Content-Type: application/json' -d '" + body + "'"
		}
		lines = append(lines, line)
	}
	return strings.Join(lines, " && ")
}

// curl asks the node as this package does: with its token, and by its certificate.
func curl(s Spec, path string) string {
	line, at := "curl -f -X POST", s.URL
	for _, file := range []struct{ flag, name string }{{"--cacert", s.CAFile}, {"--cert", s.CertFile}, {"--key", s.KeyFile}} {
		if file.name != "" {
			line += " " + file.flag + " " + quoted(file.name)
		}
	}
	if u, err := url.Parse(at); err == nil && s.ServerName != "" && s.ServerName != u.Hostname() {
		host, port, _ := net.SplitHostPort(s.address())
		at = "https://" + net.JoinHostPort(s.ServerName, port)
		line += " --connect-to " + net.JoinHostPort(s.ServerName, port) + ":" + net.JoinHostPort(host, port)
	}
	if s.TokenFile != "" {
		line += ` -H "Authorization: Bearer $(cat ` + quoted(s.TokenFile) + `)"`
	}
	return line + " " + at + path
}

// quoted is one word of a shell.
func quoted(word string) string {
	const plain = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_./"
	if strings.Trim(word, plain) == "" {
		return word
	}
	return "'" + strings.ReplaceAll(word, "'", `'\''`) + "'"
}
