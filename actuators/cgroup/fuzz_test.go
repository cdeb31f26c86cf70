package cgroup

import (
	"strings"
	"testing"
)

// FuzzParsers feeds every parser the same bytes: none may panic, grow without bound or return a
// negative number, and every fault names the file.
func FuzzParsers(f *testing.F) {
	for _, seed := range []string{
		"", "max", "-1", "12\n", "50000 100000", "max 100000", "9223372036854771712", "18446744073709551615",
		"some avg10=0.00 avg60=0.00 avg300=0.00 total=9\nfull total=1\n",
		"usage_usec 5\nuser_usec 3\n", "0-3,8", "0-2147483647", "8:0 Read 4096\nTotal 4096\n",
		"8:0 rbytes=1 wbytes=2 rios=3 wios=4\n", "anon N0=1 N1=2\nhierarchical_anon=9223372036854775807 N0=9223372036854775807\n", "   \n", "0::/a\n4:cpu,cpuacct:/b\n",
		"31 22 0:28 / /sys/fs/cgroup rw shared:9 - cgroup2 cgroup2 rw\n",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		check := func(err error, numbers ...int64) {
			t.Helper()
			if err != nil && !strings.HasPrefix(err.Error(), "the/file:") {
				t.Errorf("%q does not name the file", err)
			}
			for _, n := range numbers {
				if err == nil && n < 0 {
					t.Errorf("%q gave %d", text, n)
				}
			}
		}
		n, err := parseNumber("the/file", text)
		check(err, n)
		q, err := parseQuantity("the/file", text)
		n, _ = q.Amount()
		check(err, n)
		q, err = parseCPUMax("the/file", text)
		n, _ = q.Amount()
		check(err, n)
		_, err = parseQuota("the/file", text)
		check(err)
		keyed, err := parseKeyed("the/file", text)
		check(err)
		for _, n := range keyed {
			check(nil, n)
		}
		s, err := parsePressure("the/file", text)
		check(err)
		if s.Some != nil {
			check(err, int64(*s.Some))
		}
		set, err := parseSet("the/file", text)
		check(err)
		if len(set) > 1<<16 {
			t.Errorf("%q gave %d members", text, len(set))
		}
		if again, err := ParseSet(set.String()); err != nil || len(again) != len(set) {
			t.Errorf("%v is not read back: %v, %v", set, again, err)
		}
		b, err := parseBlkio("the/file", text)
		check(err, b.read, b.write)
		io, err := parseIOStat("the/file", text)
		check(err, io[0].read, io[0].write, io[1].read, io[1].write)
		for _, parse := range []func(string, []byte) (map[int]int64, error){parseNodeMemory, parseNodePages} {
			nodes, err := parse("the/file", text)
			check(err)
			for _, n := range nodes {
				check(nil, n)
			}
		}
		_, err = parseMemberships("the/file", text)
		check(err)
		_, err = parseMountinfo("the/file", text)
		check(err)
	})
}
