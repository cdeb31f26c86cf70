package docker

import (
	"bytes"
	"encoding/json"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const describedID = "c0ffee01c0ffee01c0ffee01c0ffee01c0ffee01c0ffee01c0ffee01c0ffee01"

func described(t *testing.T, config, hostConfig, rest string) container {
	t.Helper()
	if rest != "" {
		rest = "," + rest
	}
	c, err := decodeContainer([]byte(`{"Id":"` + describedID + `","Name":"/engram","Image":"sha256:aa","Config":` + config + `,"HostConfig":` + hostConfig + rest + `}`))
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// TestBody is about what differs between a container as Docker shows it and as it takes it in.
func TestBody(t *testing.T) {
	const networks = `"NetworkSettings":{"Networks":{
		"front":{"IPAMConfig":{"IPv4Address":"10.0.0.9"},"Aliases":["memory","c0ffee01c0ff"],"IPAddress":"10.0.0.9","MacAddress":"02:42:0a:00:00:09","NetworkID":"f1","Gateway":"10.0.0.1"},
		"back":{"IPAMConfig":null,"Aliases":null,"IPAddress":"10.0.1.9","MacAddress":"aa:bb:cc:dd:ee:ff","NetworkID":"b1"}}}`
	tests := []struct {
		name, config, host, rest, api string
		entrypoint                    []string // the image's
		key, want                     string   // a key of the request and its value
	}{
		{"fields that nobody knows survive", `{"Fancy":{"New":[1,12345678901234567890]}}`, `{}`, "", "1.41", nil, "Fancy", `{"New":[1,12345678901234567890]}`},
		{"the old field of the hardware address survives", `{"MacAddress":"aa:00:00:00:00:01"}`, `{}`, networks, "1.41", nil, "MacAddress", `"aa:00:00:00:00:01"`},
		{"a generated host name does not", `{"Hostname":"c0ffee01c0ff"}`, `{}`, "", "1.41", nil, "Hostname", ``},
		{"a chosen one does", `{"Hostname":"c0ff"}`, `{}`, "", "1.41", nil, "Hostname", `"c0ff"`},
		{"another container's network brings its name", `{"Hostname":"x","ExposedPorts":{"1/tcp":{}}}`, `{"NetworkMode":"container:x"}`, "", "1.41", nil, "Hostname", ``},
		{"... and its ports", `{"Hostname":"x","ExposedPorts":{"1/tcp":{}}}`, `{"NetworkMode":"container:x"}`, "", "1.41", nil, "ExposedPorts", ``},
		{"an entrypoint that was switched off", `{"Entrypoint":null}`, `{}`, "", "1.41", []string{"/x"}, "Entrypoint", `[""]`},
		{"no entrypoint anywhere", `{"Entrypoint":null}`, `{}`, "", "1.41", nil, "Entrypoint", `null`},
		{"one network before 1.44", `{}`, `{"NetworkMode":"front"}`, networks, "1.43", nil, "NetworkingConfig",
			`{"EndpointsConfig":{"front":{"IPAMConfig":{"IPv4Address":"10.0.0.9"},"Aliases":["memory"]}}}`},
		{"the network's id as its name", `{}`, `{"NetworkMode":"f1"}`, networks, "1.43", nil, "NetworkingConfig",
			`{"EndpointsConfig":{"front":{"IPAMConfig":{"IPv4Address":"10.0.0.9"},"Aliases":["memory"]}}}`},
		{"all of them from 1.44, with hardware addresses that Docker did not derive", `{}`, `{"NetworkMode":"front"}`, networks, "1.44", nil, "NetworkingConfig",
			`{"EndpointsConfig":{"back":{"MacAddress":"aa:bb:cc:dd:ee:ff"},"front":{"IPAMConfig":{"IPv4Address":"10.0.0.9"},"Aliases":["memory"]}}}`},
		{"the host's network has no endpoints", `{}`, `{"NetworkMode":"host"}`, `"NetworkSettings":{"Networks":{"host":{"NetworkID":"h1"}}}`, "1.44", nil, "NetworkingConfig", `{"EndpointsConfig":null}`},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			c := described(t, test.config, test.host, test.rest)
			f := factsOf(c, "")
			r := recreating{recreation: recreation{ID: c.ID, Name: "engram", Kept: keptName("engram", c.ID), Image: c.Image, MACs: f.MACs}}
			body, err := r.body(c, test.api, test.entrypoint)
			if err != nil {
				t.Fatal(err)
			}
			if got := string(body[test.key]); got != test.want {
				t.Errorf("%s is\n%s, want\n%s", test.key, got, test.want)
			}
		})
	}
}

// TestHostBody is about limits that exclude one another, and volumes without a name.
func TestHostBody(t *testing.T) {
	tests := []struct {
		name, config, host, rest string
		cpu                      *cpuSetting
		want                     map[string]string
	}{
		{"NanoCPUs and a quota of -1 beside it", `{}`, `{"NanoCpus":5,"CpuQuota":-1}`, "", nil,
			map[string]string{"NanoCpus": "5", "CpuQuota": "0"}},
		{"a quota", `{}`, `{"CpuQuota":50000,"CpuPeriod":100000}`, "", &cpuSetting{Quota: 70000, Period: 100000},
			map[string]string{"NanoCpus": "0", "CpuQuota": "70000", "CpuPeriod": "100000"}},
		{"a reservation that was cleared", `{}`, `{"MemoryReservation":-1}`, "", nil, map[string]string{"MemoryReservation": "0"}},
		{"a volume of the image", `{"Volumes":{"/data":{}}}`, `{"Binds":["named:/named"]}`,
			`"Mounts":[{"Type":"volume","Name":"named","Destination":"/named","RW":true},{"Type":"volume","Name":"1234","Destination":"/data","RW":true},{"Type":"bind","Source":"/x","Destination":"/y"}]`, nil,
			map[string]string{"Binds": `["named:/named","1234:/data"]`}},
		{"a mount without a source, read-only", `{}`, `{"Mounts":[{"Type":"volume","Target":"/data","ReadOnly":true,"Other":1}]}`,
			`"Mounts":[{"Type":"volume","Name":"1234","Destination":"/data","RW":false}]`, nil,
			map[string]string{"Mounts": `[{"Other":1,"ReadOnly":true,"Source":"1234","Target":"/data","Type":"volume"}]`}},
		{"volumes of another container, read-only", `{}`, `{"VolumesFrom":["x:ro"]}`,
			`"Mounts":[{"Type":"volume","Name":"1234","Destination":"/data","RW":false}]`, nil,
			map[string]string{"Binds": `["1234:/data:ro"]`, "VolumesFrom": `["x:ro"]`}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			c := described(t, test.config, test.host, test.rest)
			r := recreating{recreation: recreation{ID: c.ID, Name: "engram", CPU: test.cpu}}
			host, err := r.hostBody(c)
			if err != nil {
				t.Fatal(err)
			}
			got := make(map[string]string)
			for key := range test.want {
				got[key] = string(host[key])
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("host configuration (-want +got):\n%s", diff)
			}
		})
	}
}

// TestNothingSecretIsObserved keeps environment variables out of what other packages, and the
// journal, get to see.
func TestNothingSecretIsObserved(t *testing.T) {
	c := described(t, `{"Env":["PASSWORD=s3cret"],"Cmd":["--token=s3cret"],"Labels":{"token":"s3cret"}}`, `{"Binds":["/s3cret:/x"]}`, "")
	text, err := json.Marshal(factsOf(c, ""))
	if err != nil {
		t.Fatal(err)
	}
	if bytes.Contains(text, []byte("s3cret")) {
		t.Errorf("secrets in %s", text)
	}
}
