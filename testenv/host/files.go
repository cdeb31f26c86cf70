package host

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
)

// Put brings a file or a whole directory in, to an absolute path; directories on the way are made.
func (g Guest) Put(ctx context.Context, from, to string) error {
	r, w := io.Pipe()
	go func() {
		archive := tar.NewWriter(w)
		w.CloseWithError(errors.Join(pack(archive, from, strings.TrimPrefix(to, "/")), archive.Close()))
	}()
	defer r.Close()
	var complaint bytes.Buffer
	code, err := g.Do(ctx, Command{Args: []string{"tar", "-x", "-C", "/", "-f", "-"}, Stdin: r, Stderr: &complaint})
	if err == nil && code != 0 {
		err = errors.New(complaint.String())
	}
	if err != nil {
		return fmt.Errorf("put %s: %w", to, err)
	}
	return nil
}

// Get brings the regular files of a directory out, into a directory that is there.
func (g Guest) Get(ctx context.Context, from, to string) error {
	r, w := io.Pipe()
	defer r.Close()
	go func() {
		var complaint bytes.Buffer
		code, err := g.Do(ctx, Command{Args: []string{"tar", "-c", "-C", from, "-f", "-", "."}, Stdout: w, Stderr: &complaint})
		if err == nil && code != 0 && code != 1 { // 1: a file changed while it was read
			err = errors.New(complaint.String())
		}
		w.CloseWithError(err)
	}()
	if err := unpack(r, to); err != nil {
		return fmt.Errorf("get %s: %w", from, err)
	}
	return nil
}

// pack adds a file or directory to an archive, in which it is called name.
func pack(archive *tar.Writer, from, name string) error {
	return filepath.WalkDir(from, func(file string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		below, err := filepath.Rel(from, file)
		if err != nil {
			return err
		}
		return packFile(archive, file, path.Join(name, filepath.ToSlash(below)), entry)
	})
}

// packFile adds a regular file; directories come into being by their files.
func packFile(archive *tar.Writer, file, name string, entry fs.DirEntry) error {
	if entry.IsDir() {
		return nil
	}
	f, err := os.Open(file)
	if err != nil {
		return err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	if !info.Mode().IsRegular() {
		return fmt.Errorf("%s is no regular file", file)
	}
	header := &tar.Header{Name: name, Mode: int64(info.Mode().Perm()), Size: info.Size(), ModTime: info.ModTime()}
	if err := archive.WriteHeader(header); err != nil {
		return err
	}
	_, err = io.Copy(archive, f)
	return err
}

// unpack writes the regular files of a tar archive below a directory, and nowhere else.
func unpack(r io.Reader, dir string) error {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return err
	}
	defer root.Close()
	for archive := tar.NewReader(r); ; {
		header, err := archive.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if header.Typeflag != tar.TypeReg {
			continue
		}
		if err := unpackFile(root, header.Name, archive); err != nil {
			return err
		}
	}
}

func unpackFile(root *os.Root, name string, content io.Reader) error {
	name = filepath.FromSlash(path.Clean(name))
	if err := root.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		return err
	}
	f, err := root.Create(name)
	if err != nil {
		return err
	}
	_, err = io.Copy(f, content)
	return errors.Join(err, f.Close())
}
