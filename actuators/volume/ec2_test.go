package volume_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"
)

const volumeID = "vol-0123456789abcdef0"

// A cloudModel answers as the EC2 API reference says, for one volume.
type cloudModel struct {
	url string
	// grown is called when the volume has a new size, in bytes; nil if the host sees none of it.
	grown func(bytes int64)

	mu       sync.Mutex
	gib      int64
	status   string
	last     string // state of the last modification, "" is none
	target   int64
	looks    int  // at the modifications since it was asked for
	asked    int  // modifications that were accepted
	failed   bool // they fail
	stuck    bool // they take for ever
	failures []failure
	requests []string
}

// A failure is what one request gets instead of an answer.
type failure struct {
	action, code, message string
	status, times         int // times < 0: always
}

func newCloud(t *testing.T, gib int64) *cloudModel {
	t.Helper()
	t.Setenv("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "secret")
	t.Setenv("AWS_EC2_METADATA_DISABLED", "true")
	t.Setenv("AWS_CONFIG_FILE", "/nonexistent")
	t.Setenv("AWS_SHARED_CREDENTIALS_FILE", "/nonexistent")
	c := &cloudModel{gib: gib, status: "in-use"}
	server := httptest.NewServer(c)
	t.Cleanup(server.Close)
	c.url = server.URL
	return c
}

func (c *cloudModel) fail(f failure) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if f.status == 0 {
		f.status = http.StatusBadRequest
	}
	if f.times == 0 {
		f.times = 1
	}
	c.failures = append(c.failures, f)
}

func (c *cloudModel) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	c.mu.Lock()
	defer c.mu.Unlock()
	action, dry := r.FormValue("Action"), r.FormValue("DryRun") == "true"
	if !strings.HasPrefix(r.Header.Get("Authorization"), "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/") || r.FormValue("Version") != "2016-11-15" {
		refuse(w, http.StatusUnauthorized, "AuthFailure", "AWS was not able to validate the provided access credentials")
		return
	}
	if dry {
		action += " dry"
	}
	c.requests = append(c.requests, action)
	for i := range c.failures {
		if f := &c.failures[i]; f.action == action && f.times != 0 {
			f.times--
			refuse(w, f.status, f.code, f.message)
			return
		}
	}
	if id := r.FormValue("VolumeId.1") + r.FormValue("VolumeId"); id != volumeID {
		refuse(w, http.StatusBadRequest, "InvalidVolume.NotFound", "The volume '"+id+"' does not exist.")
		return
	}
	switch action {
	case "DescribeVolumes":
		fmt.Fprintf(w, `<DescribeVolumesResponse xmlns="http://ec2.amazonaws.com/doc/2016-11-15/"><requestId>59dbff89-35bd-4eac-99ed-be587EXAMPLE</requestId><volumeSet><item>
<volumeId>%s</volumeId><size>%d</size><snapshotId/><availabilityZone>us-east-1a</availabilityZone><status>%s</status><createTime>2026-01-01T00:00:00.000Z</createTime>
<attachmentSet><item><volumeId>%[1]s</volumeId><instanceId>i-1234567890abcdef0</instanceId><device>/dev/sdh</device><status>attached</status></item></attachmentSet>
<volumeType>gp3</volumeType><iops>3000</iops><encrypted>false</encrypted></item></volumeSet></DescribeVolumesResponse>`, volumeID, c.gib, c.status)
	case "DescribeVolumesModifications":
		c.modifications(w)
	case "ModifyVolume dry":
		refuse(w, http.StatusPreconditionFailed, "DryRunOperation", "Request would have succeeded, but DryRun flag is set.")
	case "ModifyVolume":
		c.modify(w, r)
	default:
		refuse(w, http.StatusBadRequest, "InvalidAction", action)
	}
}

func refuse(w http.ResponseWriter, status int, code, message string) {
	w.WriteHeader(status)
	fmt.Fprintf(w, `<?xml version="1.0" encoding="UTF-8"?><Response><Errors><Error><Code>%s</Code><Message>%s</Message></Error></Errors><RequestID>ea966190-f9aa-478e-9ede-example</RequestID></Response>`, code, message)
}

// modifications moves the modification on by one state at each look.
func (c *cloudModel) modifications(w http.ResponseWriter) {
	if c.last == "" {
		refuse(w, http.StatusBadRequest, "InvalidVolumeModification.NotFound", "Modification for volume '"+volumeID+"' does not exist.")
		return
	}
	if c.last == "modifying" && !c.stuck {
		if c.looks++; c.looks >= 2 && c.failed {
			c.last = "failed"
		} else if c.looks >= 2 {
			c.last, c.gib = "optimizing", c.target
			if c.grown != nil {
				c.grown(c.gib << 30)
			}
		}
	}
	fmt.Fprintf(w, `<DescribeVolumesModificationsResponse xmlns="http://ec2.amazonaws.com/doc/2016-11-15/"><requestId>5jkdf074-37ed-4004-8671-a78ee82bf1cbEXAMPLE</requestId>
<volumeModificationSet><item><targetIops>3000</targetIops><originalIops>3000</originalIops><modificationState>%s</modificationState><targetSize>%d</targetSize>
<targetVolumeType>gp3</targetVolumeType><volumeId>%s</volumeId><progress>%d</progress><startTime>%s</startTime><statusMessage>of some kind</statusMessage><originalSize>8</originalSize></item></volumeModificationSet></DescribeVolumesModificationsResponse>`,
		c.last, c.target, volumeID, 10*c.looks, time.Now().Add(-10*time.Minute).UTC().Format("2006-01-02T15:04:05.000Z"))
}

func (c *cloudModel) modify(w http.ResponseWriter, r *http.Request) {
	var size int64
	_, _ = fmt.Sscan(r.FormValue("Size"), &size)
	switch {
	case c.last == "modifying" || c.last == "optimizing":
		refuse(w, http.StatusBadRequest, "IncorrectModificationState", "Volume "+volumeID+" has a modification in progress")
	case size <= c.gib:
		refuse(w, http.StatusBadRequest, "InvalidParameterValue", "New size cannot be smaller than existing size")
	default:
		c.last, c.target, c.looks = "modifying", size, 0
		c.asked++
		fmt.Fprintf(w, `<ModifyVolumeResponse xmlns="http://ec2.amazonaws.com/doc/2016-11-15/"><requestId>5jkdf074-37ed-4004-8671-a78ee82bf1cbEXAMPLE</requestId><volumeModification>
<targetSize>%d</targetSize><volumeId>%s</volumeId><modificationState>modifying</modificationState><progress>0</progress><startTime>2026-06-01T11:02:02.000Z</startTime></volumeModification></ModifyVolumeResponse>`, size, volumeID)
	}
}
