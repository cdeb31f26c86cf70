package tier

import (
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"

	"github.com/engramd/engramd/node/record"
	"github.com/klauspost/compress/zstd"
)

// A codec compresses and decompresses the payloads of a space.
type codec struct {
	adding sync.Mutex
	known  atomic.Pointer[dictionaries]
}

// dictionaries are all dictionaries of a space, by number from 1, with what decompresses with any of them.
type dictionaries struct {
	list    []dictionary
	decoder *zstd.Decoder
}

// maxPlain bounds what a frame may claim to hold. It is above the largest payload.
const maxPlain = 1 << 20

func newDictionaries(list []dictionary) (*dictionaries, error) {
	opts := []zstd.DOption{
		zstd.WithDecoderConcurrency(2 * runtime.GOMAXPROCS(0)), zstd.WithDecoderLowmem(true),
		zstd.WithDecoderMaxMemory(maxPlain),
	}
	for _, d := range list {
		opts = append(opts, zstd.WithDecoderDicts(d.bytes))
	}
	decoder, err := zstd.NewReader(nil, opts...)
	if err != nil {
		return nil, fmt.Errorf("%w: dictionary: %w", record.ErrCorrupt, err)
	}
	return &dictionaries{list: list, decoder: decoder}, nil
}

// get returns the dictionaries; there may be none.
func (c *codec) get() (*dictionaries, error) {
	if d := c.known.Load(); d != nil {
		return d, nil
	}
	c.adding.Lock()
	defer c.adding.Unlock()
	if d := c.known.Load(); d != nil {
		return d, nil
	}
	d, err := newDictionaries(nil)
	if err == nil {
		c.known.Store(d)
	}
	return d, err
}

// set replaces the dictionaries by list. The decoder of before is left to those who are using it.
func (c *codec) set(list []dictionary) error {
	c.adding.Lock()
	defer c.adding.Unlock()
	d, err := newDictionaries(list)
	if err == nil {
		c.known.Store(d)
	}
	return err
}

// list returns what set was given last.
func (c *codec) list() []dictionary {
	if d := c.known.Load(); d != nil {
		return d.list
	}
	return nil
}

// plain returns the payload of v, shared with v or in buf.
func (c *codec) plain(v record.Value, buf []byte) ([]byte, error) {
	if v.Codec() == record.Plain {
		return v.Payload(), nil
	}
	d, err := c.get()
	if err != nil {
		return nil, err
	}
	if n := v.Dictionary(); int(n) > len(d.list) {
		return nil, fmt.Errorf("%w: memory %s is compressed with dictionary %d, and the space has %d", record.ErrCorrupt, v.ID(), n, len(d.list))
	}
	b, err := d.decoder.DecodeAll(v.Payload(), buf[:0])
	if err != nil {
		return nil, fmt.Errorf("%w: decompress memory %s: %w", record.ErrCorrupt, v.ID(), err)
	}
	if len(b) != v.PlainLen() {
		return nil, fmt.Errorf("%w: memory %s has %d bytes decompressed instead of %d", record.ErrCorrupt, v.ID(), len(b), v.PlainLen())
	}
	return b, nil
}

// A compressor compresses with the newest dictionary. One goroutine uses it.
type compressor struct {
	encoder *zstd.Encoder
	number  uint32
	buf     []byte
}

func (c *codec) compressor() (*compressor, error) {
	// The value's own CRC covers the frame, and a frame is one block: no checksum, no window.
	opts := []zstd.EOption{
		zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithEncoderConcurrency(1), zstd.WithEncoderCRC(false),
		zstd.WithSingleSegment(true), zstd.WithLowerEncoderMem(true), zstd.WithWindowSize(256 << 10),
	}
	list := c.list()
	if n := len(list); n > 0 {
		opts = append(opts, zstd.WithEncoderDict(list[n-1].bytes))
	}
	e, err := zstd.NewWriter(nil, opts...)
	if err != nil {
		return nil, fmt.Errorf("%w: dictionary: %w", record.ErrCorrupt, err)
	}
	return &compressor{encoder: e, number: uint32(len(list))}, nil
}

// compress returns v, which is plain, with its payload compressed.
func (c *compressor) compress(ord record.Ord, v record.Value) record.Value {
	c.buf = c.encoder.EncodeAll(v.Payload(), c.buf[:0])
	return v.Recode(ord, record.Zstd, c.number, c.buf)
}

func (c *compressor) close() { _ = c.encoder.Close() } // it writes nowhere
