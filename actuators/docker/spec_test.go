package docker_test

import (
	"strings"
	"testing"

	"github.com/engramd/engramd/actuators/docker"
)

func TestCheckSpec(t *testing.T) {
	tests := []struct {
		spec docker.Spec
		host string // as completed
		say  string // of the fault
	}{
		{docker.Spec{Container: "engram"}, "", ""},
		{docker.Spec{Container: "/engram"}, "", ""},
		{docker.Spec{Container: "engram", Host: "/run/user/1000/docker.sock"}, "unix:///run/user/1000/docker.sock", ""},
		{docker.Spec{Container: "engram", Host: "tcp://10.0.0.1:2375"}, "tcp://10.0.0.1:2375", ""},
		{docker.Spec{}, "", "container is missing"},
		{docker.Spec{Container: "x"}, "", "not a container name"},
		{docker.Spec{Container: "-engram"}, "", "not a container name"},
		{docker.Spec{Container: "a/../b"}, "", "not a container name"},
		{docker.Spec{Container: "eng ram"}, "", "not a container name"},
		{docker.Spec{Container: strings.Repeat("x", 300)}, "", "not a container name"},
		{docker.Spec{Container: "engram", Host: "docker.sock"}, "", "want unix://"},
		{docker.Spec{Container: "engram", Host: "ftp://x"}, "", "want unix://"},
		{docker.Spec{Container: "engram", Host: "tcp://%zz"}, "", "host"},
	}
	check := docker.Platform().Check
	for _, test := range tests {
		s := test.spec
		err := check(&s)
		if test.say == "" && (err != nil || s.Container != "engram" || s.Host != test.host) {
			t.Errorf("%+v: got %+v, %v", test.spec, s, err)
		}
		if test.say != "" && (err == nil || !strings.Contains(err.Error(), test.say)) {
			t.Errorf("%+v: got %v, want a fault that says %q", test.spec, err, test.say)
		}
	}
	if err := check("text"); err == nil {
		t.Error("a spec of another platform was taken")
	}
}
