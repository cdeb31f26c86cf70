package record

import (
	"encoding/hex"
	"math/rand/v2"
	"sync/atomic"
	"time"
)

// lastID keeps ids of one process ascending: milliseconds since 1970 times 4,096, plus a counter.
var lastID atomic.Uint64

// NewID makes a UUIDv7 (RFC 9562, method 1: a counter after the milliseconds), greater than every one
// that this process made before.
func NewID() string {
	now := uint64(time.Now().UnixMilli()) << 12
	var stamp uint64
	for {
		last := lastID.Load()
		stamp = max(now, last+1)
		if lastID.CompareAndSwap(last, stamp) {
			break
		}
	}
	var u [16]byte
	ms, count := stamp>>12, stamp&0xfff
	for i := range 6 {
		u[i] = byte(ms >> (40 - 8*i))
	}
	u[6], u[7] = 0x70|byte(count>>8), byte(count)
	tail := rand.Uint64()
	for i := range 8 {
		u[8+i] = byte(tail >> (8 * i))
	}
	u[8] = u[8]&0x3f | 0x80
	return FormatUUID(u)
}

// FormatUUID writes u as people write UUIDs.
func FormatUUID(u [16]byte) string {
	var s [36]byte
	hex.Encode(s[0:8], u[0:4])
	hex.Encode(s[9:13], u[4:6])
	hex.Encode(s[14:18], u[6:8])
	hex.Encode(s[19:23], u[8:10])
	hex.Encode(s[24:36], u[10:16])
	s[8], s[13], s[18], s[23] = '-', '-', '-', '-'
	return string(s[:])
}

// PackUUID returns the 16 bytes of s if s is exactly what [FormatUUID] would write.
func PackUUID(s string) (u [16]byte, ok bool) {
	if len(s) != 36 || s[8] != '-' || s[13] != '-' || s[18] != '-' || s[23] != '-' {
		return u, false
	}
	n := 0
	for i := 0; i < 36; i += 2 {
		if s[i] == '-' {
			i++
		}
		hi, lo := nibble(s[i]), nibble(s[i+1])
		if hi > 15 || lo > 15 {
			return u, false
		}
		u[n] = hi<<4 | lo
		n++
	}
	return u, true
}

func nibble(c byte) byte {
	switch {
	case c >= '0' && c <= '9':
		return c - '0'
	case c >= 'a' && c <= 'f':
		return c - 'a' + 10
	}
	return 255
}
