package snapshot

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"path"
	"slices"

	"github.com/engramd/engramd/node/record"
	"gocloud.dev/blob"
	_ "gocloud.dev/blob/fileblob" // file:///backup/engram
	"golang.org/x/sys/unix"
)

// A bucket is where archives are: file:///dir, s3://name?region=R, and what else the program registered with gocloud.dev/blob. ?prefix=node1/ gives
// each of several nodes a place of its own.
type bucket struct {
	*blob.Bucket
	shown string // the URL without what might be a secret
	dir   string // of file://
}

// CheckBucketURL tells whether u can be the URL of a bucket.
func CheckBucketURL(u string) error {
	_, err := parseBucketURL(u)
	return err
}

func parseBucketURL(s string) (*url.URL, error) {
	bad := func(why string) (*url.URL, error) {
		return nil, &record.InvalidError{Field: "bucket", Reason: fmt.Sprintf("%.200q: %s", s, why)}
	}
	u, err := url.Parse(s)
	switch {
	case err != nil:
		return nil, &record.InvalidError{Field: "bucket", Reason: "is no URL"} // what it is may be a secret
	case u.User != nil:
		return nil, &record.InvalidError{Field: "bucket", Reason: "credentials do not belong into the URL; give them as the provider's tools want them"}
	case u.Scheme == "":
		return bad("want file:///dir or s3://name")
	case !blob.DefaultURLMux().ValidBucketScheme(u.Scheme):
		return bad("this program knows no buckets of that kind")
	case u.Scheme == "file" && u.Path == "":
		return bad("has no path; want file:///dir")
	case u.Scheme == "s3" && u.Host == "":
		return bad("names no bucket; want s3://name")
	}
	return u, nil
}

func openBucket(ctx context.Context, s string) (*bucket, error) {
	u, err := parseBucketURL(s)
	if err != nil {
		return nil, err
	}
	shown := url.URL{Scheme: u.Scheme, Host: u.Host, Path: u.Path}
	q := u.Query()
	if p := q.Get("prefix"); p != "" {
		shown.RawQuery = url.Values{"prefix": {p}}.Encode()
	}
	b := &bucket{shown: shown.String()}
	if u.Scheme == "file" {
		b.dir = u.Path
		q.Set("no_tmp_dir", "true") // the system's directory for such files may be on another disk
		q.Set("metadata", "skip")
		u.RawQuery = q.Encode()
	}
	if u.Scheme == "s3" && !q.Has("response_checksum_validation") {
		q.Set("response_checksum_validation", "when_required") // all is compared here; other makers' stores have none, and the client would complain
		u.RawQuery = q.Encode()
	}
	if b.Bucket, err = blob.OpenBucket(ctx, u.String()); err != nil {
		if info, missing := os.Stat(u.Path); u.Scheme == "file" && (missing != nil || !info.IsDir()) {
			return nil, &record.InvalidError{Field: "bucket", Reason: fmt.Sprintf("%.200q: %v", b.shown, err)}
		}
		return nil, fmt.Errorf("open bucket %s: %w", b.shown, err)
	}
	return b, nil
}

// has tells whether a snapshot was archived here, and still is.
func (b *bucket) has(ctx context.Context, i Info) (bool, error) {
	if !slices.ContainsFunc(i.ArchivedTo, func(a Archive) bool { return a.URL == b.shown }) {
		return false, nil
	}
	there, err := b.Exists(ctx, path.Join(i.Name, manifestFile))
	if err != nil {
		return false, fmt.Errorf("look for %s in %s: %w", i.Name, b.shown, err)
	}
	return there, nil
}

// put writes an object; after an error there is none, or the one that was there before.
func (b *bucket) put(ctx context.Context, key string, from io.Reader) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel() // before Close it takes back what was written
	w, err := b.NewWriter(ctx, key, &blob.WriterOptions{ContentType: "application/octet-stream", DisableContentTypeDetection: true})
	if err != nil {
		return err
	}
	if _, err := io.Copy(w, from); err != nil {
		cancel()
		return errors.Join(fmt.Errorf("write %s: %w", key, err), ignore(w.Close(), context.Canceled))
	}
	if err := w.Close(); err != nil {
		return fmt.Errorf("write %s: %w", key, err)
	}
	return nil
}

func ignore(err, expected error) error {
	if errors.Is(err, expected) {
		return nil
	}
	return err
}

// compare reads an object back: is it what has this SHA-256?
func (b *bucket) compare(ctx context.Context, key string, sum []byte) (err error) {
	r, err := b.NewReader(ctx, key, nil)
	if err != nil {
		return fmt.Errorf("read %s back: %w", key, err)
	}
	defer func() { err = errors.Join(err, r.Close()) }()
	h := sha256.New()
	if _, err := io.Copy(h, r); err != nil {
		return fmt.Errorf("read %s back: %w", key, err)
	}
	if !bytes.Equal(h.Sum(nil), sum) {
		return fmt.Errorf("%s in %s is not what was written", key, b.shown)
	}
	return nil
}

// readSmall reads a manifest.
func (b *bucket) readSmall(ctx context.Context, key string) (_ []byte, err error) {
	r, err := b.NewReader(ctx, key, nil)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, r.Close()) }()
	if r.Size() > maxManifest {
		return nil, fmt.Errorf("%w: %s in %s has %d bytes", ErrDamaged, key, b.shown, r.Size())
	}
	return io.ReadAll(io.LimitReader(r, maxManifest))
}

// settle makes durable what was written.
func (b *bucket) settle() error {
	if b.dir == "" {
		return nil // the provider promised when it answered
	}
	d, err := os.Open(b.dir)
	if err != nil {
		return err
	}
	if err := errors.Join(unix.Syncfs(int(d.Fd())), d.Close()); err != nil {
		return fmt.Errorf("sync %s: %w", b.shown, err)
	}
	return nil
}
