package volume

import (
	"context"
	"fmt"
	"net/url"
	"regexp"
	"strconv"
	"time"

	"github.com/engramd/engramd/actuators"
)

// volume reads a volume and its last modification.
func (c account) volume(ctx context.Context, id string) (int64, *modification, error) {
	var out struct {
		Volumes []struct {
			Size   int64  `xml:"size"` // GiB
			Status string `xml:"status"`
		} `xml:"volumeSet>item"`
	}
	if err := c.call(ctx, "DescribeVolumes", url.Values{"VolumeId.1": {id}}, &out); err != nil {
		return 0, nil, c.fault("look at volume "+id, err)
	}
	if len(out.Volumes) != 1 {
		return 0, nil, refused("AWS knows no volume %s in %s", id, c.region)
	}
	if v := out.Volumes[0]; v.Status != "in-use" {
		return 0, nil, refused("volume %s is %s, not in-use: it is not attached to this host", id, v.Status)
	}
	m, err := c.modification(ctx, id)
	return out.Volumes[0].Size, m, err
}

// An answeredModification is how EC2 writes a modification.
type answeredModification struct {
	State    string `xml:"modificationState"`
	Size     int64  `xml:"targetSize"` // GiB
	Progress int64  `xml:"progress"`
	Message  string `xml:"statusMessage"`
	Began    string `xml:"startTime"`
}

// modification reads the last one, nil if there was none: AWS forgets them after a while.
func (c account) modification(ctx context.Context, id string) (*modification, error) {
	var out struct {
		All []answeredModification `xml:"volumeModificationSet>item"`
	}
	err := c.call(ctx, "DescribeVolumesModifications", url.Values{"VolumeId.1": {id}}, &out)
	if codeOf(err) == "InvalidVolumeModification.NotFound" {
		return nil, nil
	}
	if err != nil {
		return nil, c.fault("look at the modifications of volume "+id, err)
	}
	var last *modification
	for _, m := range out.All {
		began, _ := time.Parse(time.RFC3339, m.Began) // without it no end can be told
		if last == nil || began.After(last.Began) {
			last = &modification{State: m.State, GiB: m.Size, Progress: m.Progress, Message: m.Message, Began: began}
		}
	}
	return last, nil
}

// modify asks for a size, or, dry, whether that would be allowed.
func (c account) modify(ctx context.Context, id string, gib int64, dryRun bool) error {
	args := url.Values{"VolumeId": {id}, "Size": {strconv.FormatInt(gib, 10)}}
	if dryRun {
		args.Set("DryRun", "true")
	}
	err := c.call(ctx, "ModifyVolume", args, nil)
	if dryRun && codeOf(err) == "DryRunOperation" {
		return nil
	}
	return c.fault(fmt.Sprintf("modify volume %s to %d GiB", id, gib), err)
}

// fault turns an answer of EC2 into an error of the contract, with what to do about it. The codes are
// those of the API reference.
func (c account) fault(doing string, err error) error {
	switch code := codeOf(err); code {
	case "VolumeModificationRateExceeded":
		return fmt.Errorf("%w: %w: %s: %w", actuators.ErrRefused, errRate, doing, err)
	case "UnauthorizedOperation", "AuthFailure", "AccessDenied", "OptInRequired", "Blocked", "InvalidClientTokenId", "SignatureDoesNotMatch":
		return fmt.Errorf("%w: %s: %w (grant ec2:DescribeVolumes, ec2:DescribeVolumesModifications and ec2:ModifyVolume)", actuators.ErrRefused, doing, err)
	case "IncorrectState", "IncorrectModificationState", "InvalidVolume.NotFound", "InvalidVolumeID.Malformed", "InvalidParameterValue",
		"InvalidParameterCombination", "UnsupportedOperation", "VolumeModificationSizeLimitExceeded", "MaxIOPSLimitExceeded":
		return fmt.Errorf("%w: %s: %w", actuators.ErrRefused, doing, err)
	case "RequestLimitExceeded", "Throttling", "InternalError", "InternalFailure", "Unavailable", "ServiceUnavailable", "RequestExpired", "InsufficientVolumeCapacity":
		return fmt.Errorf("%w: %s: %w", actuators.ErrTransient, doing, err)
	case "": // no answer of EC2: the network, credentials that cannot be had now, a context that is over
		if err == nil {
			return nil
		}
		return fmt.Errorf("%w: %s: %w", actuators.ErrTransient, doing, err)
	}
	return fmt.Errorf("%s: %w", doing, err)
}

// stamps are the forms of a time in a message of AWS. It says when the next modification is possible,
// in words that its reference does not fix.
var stamps = regexp.MustCompile(`\d{4}-\d\d-\d\d[T ]\d\d:\d\d(:\d\d(\.\d+)?)?(Z| UTC|[+-]\d\d:\d\d)?`)

// timeIn finds a time to come in a message.
func timeIn(text string, now time.Time) (time.Time, bool) {
	for _, found := range stamps.FindAllString(text, -1) {
		for _, form := range []string{time.RFC3339, "2006-01-02T15:04Z07:00", "2006-01-02T15:04:05", "2006-01-02 15:04:05 MST", "2006-01-02 15:04:05Z07:00", "2006-01-02 15:04:05", "2006-01-02 15:04 MST"} {
			if t, err := time.Parse(form, found); err == nil && t.After(now) && t.Before(now.Add(7*24*time.Hour)) {
				return t, true
			}
		}
	}
	return time.Time{}, false
}
