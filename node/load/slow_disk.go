package load

import (
	"context"
	"errors"

	"github.com/engramd/engramd/node"
	"github.com/engramd/engramd/node/disk"
)

// withLog is with, for a node whose log takes as long to sync as the job says.
func (j *job) withLog(ctx context.Context, o node.Options, f func(*running) error) error {
	if j.SyncDelay <= 0 {
		return with(ctx, o, f)
	}
	fsys, err := disk.NewOS(o.DataDir)
	if err != nil {
		return err
	}
	o.Store.WAL.FS = disk.Slow{FS: fsys, Delay: j.SyncDelay}
	return errors.Join(with(ctx, o, f), fsys.Close())
}
