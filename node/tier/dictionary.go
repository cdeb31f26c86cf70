package tier

import (
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/engramd/engramd/node/record"
	"github.com/klauspost/compress/dict"
	"github.com/klauspost/compress/zstd"
)

const (
	dictionaryBytes = 64 << 10
	sampleBytes     = 4 << 10 // of one memory at most
	samplesBytes    = 512 << 10
	leastSamples    = 1000 // fewer memories are compressed without a dictionary
	mostSamples     = 2000
	// growth is how often larger a space must be for another dictionary: each stays resident for as long as the space lives.
	growth           = 8
	mostDictionaries = 255 // a number of one byte in each frame
)

// A dictionary is what the payloads of a space have in common. Its number, from 1, is in each value compressed with it.
type dictionary struct {
	trainedAt int64 // how many memories there were
	bytes     []byte
}

func dictionaryName(number int) string { return fmt.Sprintf("tier/dictionary/%d", number) }

func (d dictionary) marshal() []byte {
	return append(binary.LittleEndian.AppendUint64(nil, uint64(d.trainedAt)), d.bytes...)
}

func unmarshalDictionary(b []byte) (dictionary, error) {
	if len(b) <= 8 {
		return dictionary{}, fmt.Errorf("%w: dictionary of %d bytes", record.ErrCorrupt, len(b))
	}
	return dictionary{trainedAt: int64(binary.LittleEndian.Uint64(b)), bytes: b[8:]}, nil
}

// errTraining says that the samples have nothing in common that a dictionary could hold.
var errTraining = errors.New("no dictionary comes of the samples")

// train makes a dictionary of a number. The library stops with a panic at samples that it can make nothing of (all of them
// shorter than 8 bytes, say): that is errTraining too.
func train(samples [][]byte, number int) (b []byte, err error) {
	defer func() {
		if p := recover(); p != nil {
			b, err = nil, fmt.Errorf("%w: %v", errTraining, p)
		}
	}()
	b, err = dict.BuildZstdDict(samples, dict.Options{
		MaxDictSize: dictionaryBytes, HashBytes: 6, ZstdDictID: uint32(number), ZstdLevel: zstd.SpeedFastest,
	})
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errTraining, err)
	}
	return b, nil
}
