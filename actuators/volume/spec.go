package volume

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"path/filepath"
	"regexp"

	"github.com/engramd/engramd/policy"
)

// platform is the driver's name and the key of its section in agent.yaml.
const platform = "volume"

// Spec is the volume section of a target.
type Spec struct {
	// Path is where the file system is mounted. Its storage is how much of its disk it reaches.
	Path string `yaml:"path" json:"path"`
	// AWS is the volume of Amazon EBS that the disk is. Without it the file system can grow up to the size
	// of its disk, and no further.
	AWS AWS `yaml:"aws,omitempty" json:"aws,omitzero"`
}

// AWS names a volume of Amazon EBS. Credentials come from where AWS' own tools take them: the
// environment, ~/.aws, or the role of the instance, which needs ec2:ModifyVolume,
// ec2:DescribeVolumes and ec2:DescribeVolumesModifications. This was never run against AWS.
type AWS struct {
	// VolumeID is the volume's id (vol-0123456789abcdef0).
	VolumeID string `yaml:"volume_id" json:"volume_id"`
	// Region is the volume's region; else that of the environment, of ~/.aws or of the instance.
	Region string `yaml:"region,omitempty" json:"region,omitempty"`
	// Endpoint is another address of the EC2 API, such as that of a VPC endpoint.
	Endpoint string `yaml:"endpoint,omitempty" json:"endpoint,omitempty"`
}

var (
	volumeID = regexp.MustCompile(`^vol-[0-9a-f]{8,17}$`)
	region   = regexp.MustCompile(`^[a-z]{2}(-[a-z]+)+-[0-9]+$`)
)

// check completes nothing: there is nothing to complete.
func check(spec any) error {
	s, ok := spec.(*Spec)
	if !ok {
		return fmt.Errorf("volume: want a *volume.Spec, got %T", spec)
	}
	return errors.Join(s.checkPath(), s.AWS.check())
}

func (s *Spec) checkPath() error {
	switch {
	case s.Path == "":
		return errors.New("volume: path is missing: say where the file system is mounted, as `df` shows it")
	case !filepath.IsAbs(s.Path):
		return fmt.Errorf("volume: path %.200q: want an absolute path, such as /var/lib/engram", s.Path)
	case filepath.Clean(s.Path) != s.Path:
		return fmt.Errorf("volume: path %.200q: write it as %q", s.Path, filepath.Clean(s.Path))
	}
	return nil
}

func (a AWS) check() error {
	if a == (AWS{}) {
		return nil
	}
	var faults []error
	if !volumeID.MatchString(a.VolumeID) {
		faults = append(faults, fmt.Errorf("volume: aws.volume_id %.40q: want a volume's id, such as vol-0123456789abcdef0", a.VolumeID))
	}
	if a.Region != "" && !region.MatchString(a.Region) {
		faults = append(faults, fmt.Errorf("volume: aws.region %.40q: want a region, such as eu-central-1", a.Region))
	}
	if a.Endpoint != "" && !confidential(a.Endpoint) {
		faults = append(faults, fmt.Errorf("volume: aws.endpoint %.200q: want a URL, https://... (http only on this host: requests may carry a session token)", a.Endpoint))
	}
	return errors.Join(faults...)
}

// confidential reports whether nobody between here and an address can read what is sent there.
func confidential(address string) bool {
	u, err := url.Parse(address)
	if err != nil || u.Host == "" {
		return false
	}
	ip := net.ParseIP(u.Hostname())
	return u.Scheme == "https" || u.Scheme == "http" && (u.Hostname() == "localhost" || ip != nil && ip.IsLoopback())
}

// specOf returns the volume section of t.
func specOf(t policy.Target) (Spec, error) {
	switch s := t.Specs[platform].(type) {
	case *Spec:
		return *s, nil
	case Spec:
		return s, nil
	}
	return Spec{}, fmt.Errorf("target %s has no volume section", t.Name)
}
