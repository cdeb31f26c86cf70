package volume_test

import (
	"encoding/binary"
	"strings"
	"testing"
	"time"

	"github.com/engramd/engramd/actuators/volume"
)

func TestCheck(t *testing.T) {
	for _, c := range []struct {
		spec volume.Spec
		says string
	}{
		{volume.Spec{Path: "/var/lib/x"}, ""},
		{volume.Spec{}, "path is missing"},
		{volume.Spec{Path: "data"}, "absolute"},
		{volume.Spec{Path: "/data/"}, `"/data"`},
		{volume.Spec{Path: "/x", AWS: volume.AWS{VolumeID: volumeID}}, ""},
		{volume.Spec{Path: "/x", AWS: volume.AWS{VolumeID: volumeID, Region: "us-gov-west-1", Endpoint: "https://vpce.example"}}, ""},
		{volume.Spec{Path: "/x", AWS: volume.AWS{VolumeID: "i-0123456789abcdef0"}}, "aws.volume_id"},
		{volume.Spec{Path: "/x", AWS: volume.AWS{Region: "eu-central-1"}}, "aws.volume_id"},
		{volume.Spec{Path: "/x", AWS: volume.AWS{VolumeID: volumeID, Region: "Frankfurt"}}, "aws.region"},
		{volume.Spec{Path: "/x", AWS: volume.AWS{VolumeID: volumeID, Endpoint: "http://ec2.example"}}, "aws.endpoint"},
	} {
		err := volume.Check(&c.spec)
		if (err == nil) != (c.says == "") || err != nil && !strings.Contains(err.Error(), c.says) {
			t.Errorf("%+v: %v, want %q", c.spec, err, c.says)
		}
	}
}

func superblock(blocks uint64, shift, incompatible uint32) []byte {
	b := make([]byte, 1024)
	binary.LittleEndian.PutUint16(b[56:], 0xef53)
	binary.LittleEndian.PutUint32(b[4:], uint32(blocks))
	binary.LittleEndian.PutUint32(b[24:], shift)
	binary.LittleEndian.PutUint32(b[96:], incompatible)
	binary.LittleEndian.PutUint32(b[336:], uint32(blocks>>32))
	return b
}

func TestSuperblock(t *testing.T) {
	e, err := volume.ParseExt(superblock(1<<20, 2, 0))
	if err != nil || e.Bytes != 4*gib || e.Block != 4096 || e.Most != (1<<32-1)*4096 {
		t.Errorf("%+v, %v", e, err)
	}
	e, err = volume.ParseExt(superblock(1<<33, 2, 0x80))
	if err != nil || e.Bytes != 32<<40 || e.Most < 1<<60 {
		t.Errorf("64bit: %+v, %v", e, err)
	}
	for name, b := range map[string][]byte{
		"empty": nil, "short": make([]byte, 100), "zero": make([]byte, 1024),
		"no blocks": superblock(0, 2, 0), "odd blocks": superblock(5, 90, 0), "too many": superblock(1<<62, 6, 0x80),
	} {
		if e, err := volume.ParseExt(b); err == nil {
			t.Errorf("%s: %+v", name, e)
		}
	}
}

func TestTimeInMessage(t *testing.T) {
	now := time.Date(2026, 6, 1, 12, 0, 0, 0, time.UTC)
	for text, want := range map[string]string{
		"You can modify this volume again after 2026-06-01T18:30:00Z.":             "2026-06-01T18:30:00Z",
		"Next modification possible at 2026-06-02 08:15:30 UTC":                    "2026-06-02T08:15:30Z",
		"wait until 2026-06-01T20:00:00.123+02:00":                                 "2026-06-01T18:00:00Z",
		"the last one was at 2026-05-31T18:30:00Z":                                 "",
		"Wait at least 6 hours between modifications per EBS volume.":              "",
		"it began 2026-06-01T08:00:00Z and may be repeated 2026-06-01T19:00:00Z !": "2026-06-01T19:00:00Z",
		"in 2199-01-01T00:00:00Z":                                                  "",
	} {
		got, ok := volume.TimeIn(text, now)
		if ok != (want != "") || ok && got.UTC().Truncate(time.Second).Format(time.RFC3339) != want {
			t.Errorf("%q: %s %t, want %q", text, got, ok, want)
		}
	}
}

func FuzzMounts(f *testing.F) {
	f.Add("39 27 252:17 / /var/lib/a\\040b rw,relatime shared:1 - ext4 /dev/vdb1 rw\n")
	f.Add("39 27 0:45 / /data rw - btrfs\n")
	f.Add("- - -\n")
	f.Add("39 27 252:17 / /x rw - xfs /dev/vdb1")
	f.Fuzz(func(t *testing.T, text string) {
		n, err := volume.ParseMounts(text)
		if err == nil && n > strings.Count(text, "\n")+1 {
			t.Errorf("%d mounts", n)
		}
	})
}

func FuzzSuperblock(f *testing.F) {
	f.Add(superblock(1<<20, 2, 0))
	f.Add(superblock(1<<40, 6, 0x80))
	f.Fuzz(func(t *testing.T, b []byte) {
		if e, err := volume.ParseExt(b); err == nil && (e.Bytes <= 0 || e.Most < e.Bytes && e.Block > 0 && e.Bytes/e.Block > 1<<32) {
			t.Errorf("%+v", e)
		}
		volume.IsGPT(b)
	})
}

func FuzzWork(f *testing.F) {
	f.Add("12 0 96 4 345 0 2760 80 0 1500 84\n")
	f.Add("x")
	f.Fuzz(func(t *testing.T, text string) {
		if all, err := volume.ParseWork(text); err == nil && len(all) != 3 {
			t.Errorf("%v", all)
		}
	})
}

func FuzzAnswer(f *testing.F) {
	f.Add(200, "<DescribeVolumesResponse><volumeSet><item><size>8</size></item></volumeSet></DescribeVolumesResponse>")
	f.Add(400, "<Response><Errors><Error><Code>IncorrectState</Code></Error></Errors></Response>")
	f.Add(502, "<html>")
	f.Fuzz(func(t *testing.T, status int, text string) {
		var out struct {
			All []struct {
				Size int64 `xml:"size"`
			} `xml:"volumeSet>item"`
		}
		if err := volume.ParseAnswer(status, []byte(text), &out); err == nil && status >= 300 {
			t.Error("an error is none")
		}
	})
}
