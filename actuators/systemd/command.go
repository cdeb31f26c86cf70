package systemd

import (
	"fmt"
	"path/filepath"
	"strings"

	"github.com/engramd/engramd/policy"
)

func (f facts) systemctl() []string {
	if f.User {
		return []string{"systemctl", "--user"}
	}
	return []string{"systemctl"}
}

// command is what a person would type.
func (p *planner) command(strategy policy.Strategy) string {
	systemctl := strings.Join(p.facts.systemctl(), " ")
	var lines []string
	reload := false
	for _, c := range p.changes {
		var words, removed []string
		own := c.places().ownFile(c.Unit)
		for _, s := range c.Settings {
			switch s.Way {
			case byProperty:
				words = append(words, assignment(s.Key, s.Value))
			case byDropIn:
				lines = append(lines, fmt.Sprintf("mkdir -p %s && printf '%%s\\n' '[%s]' %s >> %s", shellWord(filepath.Dir(own)), section(c.Unit), shellWords(strings.Split(inDropIn(s.Key, s.Value), "\n")), shellWord(own)))
				reload = true
			case byClearing:
				if p.facts.Layers[s.Key].Control != nil {
					removed = append(removed, c.places().controlFile(c.Unit, s.Key))
				}
				if p.facts.Layers[s.Key].Own != nil {
					lines = append(lines, fmt.Sprintf("sed -i '/^%s=/d' %s", s.Key, shellWord(own)))
				}
				reload = true
			}
		}
		if len(words) > 0 {
			lines = append(lines, setProperty(systemctl, c, words))
		}
		if len(removed) > 0 {
			lines = append(lines, "rm -f "+shellWords(removed))
		}
	}
	if reload {
		lines = append(lines, systemctl+" daemon-reload")
	}
	if strategy == policy.Restart {
		lines = append(lines, systemctl+" restart "+shellWord(p.facts.Unit))
	}
	return strings.Join(lines, "\n")
}

func setProperty(systemctl string, c change, words []string) string {
	runtime := ""
	if c.Runtime {
		runtime = " --runtime"
	}
	return systemctl + " set-property" + runtime + " " + shellWord(c.Unit) + " " + shellWords(words)
}

// shellWords are words that a shell takes as they stand: names of units may hold a backslash.
func shellWords(words []string) string {
	var quoted []string
	for _, w := range words {
		quoted = append(quoted, shellWord(w))
	}
	return strings.Join(quoted, " ")
}

func shellWord(w string) string {
	if strings.ContainsAny(w, ` \`) {
		return "'" + w + "'"
	}
	return w
}
