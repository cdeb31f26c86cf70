package systemd

import (
	"fmt"
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
				lines = append(lines, fmt.Sprintf("printf '[%s]\\n%s\\n' >> %s", section(c.Unit), strings.ReplaceAll(inDropIn(s.Key, s.Value), "\n", `\n`), own))
				reload = true
			case byClearing:
				removed = append(removed, c.places().controlFile(c.Unit, s.Key))
				reload = true
			}
		}
		if len(words) > 0 {
			lines = append(lines, setProperty(systemctl, c, words))
		}
		if len(removed) > 0 {
			lines = append(lines, "rm -f "+strings.Join(removed, " "))
		}
	}
	if reload {
		lines = append(lines, systemctl+" daemon-reload")
	}
	if strategy == policy.Restart {
		lines = append(lines, systemctl+" restart "+p.facts.Unit)
	}
	return strings.Join(lines, "\n")
}

func setProperty(systemctl string, c change, words []string) string {
	runtime := ""
	if c.Runtime {
		runtime = " --runtime"
	}
	for i, w := range words {
		if strings.Contains(w, " ") {
			words[i] = "'" + w + "'"
		}
	}
	return systemctl + " set-property" + runtime + " " + c.Unit + " " + strings.Join(words, " ")
}
