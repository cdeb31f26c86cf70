package volume

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
)

// Where the superblock of ext3 and ext4 is, and how much of it is read. See the kernel's
// Documentation/filesystems/ext4/super.rst.
const (
	extAt     = 1024
	extLength = 1024
	extMagic  = 0xef53
	ext64bit  = 0x80 // of the incompatible features
)

// An extent is how much of its device a file system takes, in bytes.
type extent struct {
	Bytes int64 `json:"bytes"`
	Block int64 `json:"block"` // what it counts in
	Most  int64 `json:"most"`  // how large it can ever be
}

// parseExt reads a superblock of ext3 or ext4.
func parseExt(block []byte) (extent, error) {
	if len(block) < extLength || binary.LittleEndian.Uint16(block[56:]) != extMagic {
		return extent{}, errors.New("there is no superblock of ext4 where one should be")
	}
	blocks := uint64(binary.LittleEndian.Uint32(block[4:]))
	shift := binary.LittleEndian.Uint32(block[24:])
	if shift > 6 {
		return extent{}, fmt.Errorf("the superblock of ext4 makes no sense: blocks of 2^%d KiB", shift)
	}
	blockSize := uint64(1024) << shift
	most := uint64(math.MaxUint32) * blockSize
	if binary.LittleEndian.Uint32(block[96:])&ext64bit != 0 {
		blocks |= uint64(binary.LittleEndian.Uint32(block[336:])) << 32
		most = math.MaxInt64
	}
	if blocks == 0 || blocks > math.MaxInt64/blockSize {
		return extent{}, fmt.Errorf("the superblock of ext4 makes no sense: %d blocks of %d bytes", blocks, blockSize)
	}
	return extent{Bytes: int64(blocks * blockSize), Block: int64(blockSize), Most: int64(min(most, math.MaxInt64))}, nil
}

// isGPT reports whether the beginning of a disk holds a GUID partition table: its header is in the
// second sector, which is 512 or 4096 bytes from the beginning.
func isGPT(head []byte) bool {
	const magic = "EFI PART"
	for _, at := range []int{512, 4096} {
		if len(head) >= at+len(magic) && string(head[at:at+len(magic)]) == magic {
			return true
		}
	}
	return false
}
