package api

import (
	"net/http"

	"github.com/engramd/engramd/node/snapshot"
)

// A SnapshotRequest is about one snapshot, or those of one space. Which fields it needs depends on what is asked for.
type SnapshotRequest struct {
	Space      string `json:"space,omitempty" desc:"to take: of this space; to restore: under this name, else that of the snapshot"`
	Name       string `json:"name,omitempty" desc:"of the snapshot"`
	Bucket     string `json:"bucket,omitempty" desc:"file:///dir or s3://name?region=R"`
	KeepLast   *int   `json:"keep_last,omitempty" desc:"to prune: how many of the newest stay; 5 if absent"`
	KeepWeekly *int   `json:"keep_weekly,omitempty" desc:"to prune: of how many weeks the newest stays; 4 if absent"`
}

// Snapshots are the newest first.
type Snapshots struct {
	Snapshots []snapshot.Info `json:"snapshots"`
}

const snapshotsPath = prefix + "/admin/storage/snapshots"

var snapshotRoutes = []route{
	{
		method: "GET", path: snapshotsPath, needs: Read, does: "List snapshots, or those that a bucket has",
		params: []param{{name: "space", desc: "only of this one", of: ""}, {name: "bucket", desc: "instead of this node", of: ""}, paramTimeout}, out: Snapshots{},
		handle: func(x *exchange) error {
			if bucket := x.q.get("bucket"); bucket != "" {
				return x.snapshots(x.api.node.ArchivedSnapshots(x.ctx(), bucket))
			}
			return x.snapshots(x.api.node.Snapshots(x.q.get("space")))
		},
	},
	{
		method: "POST", path: snapshotsPath, needs: Admin, does: "Take a snapshot beside readers and writers", long: true,
		params: []param{paramSpace}, in: SnapshotRequest{}, optional: true, out: snapshot.Info{}, status: http.StatusCreated, example: `{"space":"default"}`,
		handle: func(x *exchange) error {
			in, err := x.readSnapshot(true)
			if err != nil {
				return err
			}
			space, err := x.space(in.Space)
			if err != nil {
				return err
			}
			info, err := x.api.node.Snapshot(x.ctx(), space)
			return x.snapshot(http.StatusCreated, info, err)
		},
	},
	{
		method: "DELETE", path: snapshotsPath + "/{name}", needs: Admin, does: "Delete a snapshot", params: []param{paramTimeout}, status: http.StatusNoContent,
		handle: func(x *exchange) error {
			if err := x.api.node.DeleteSnapshot(x.r.PathValue("name")); err != nil {
				return err
			}
			x.w.WriteHeader(http.StatusNoContent)
			return nil
		},
	},
	{
		method: "POST", path: snapshotsPath + "/prune", needs: Admin, does: "Delete all but the last 5 and those of the last 4 weeks, of each space; answers what went",
		long: true, in: SnapshotRequest{}, optional: true, out: Snapshots{}, example: `{"keep_last":5,"keep_weekly":4}`,
		handle: func(x *exchange) error {
			in, err := x.readSnapshot(true)
			if err != nil {
				return err
			}
			last, weekly := snapshot.DefaultKeepLast, snapshot.DefaultKeepWeekly
			if in.KeepLast != nil {
				last = *in.KeepLast
			}
			if in.KeepWeekly != nil {
				weekly = *in.KeepWeekly
			}
			if err := snapshot.CheckKeep(last, weekly); err != nil {
				return invalid("keep_last", "%v", err)
			}
			return x.snapshots(x.api.node.PruneSnapshots(x.ctx(), last, weekly))
		},
	},
	{
		method: "POST", path: snapshotsPath + "/verify", needs: Admin, does: "Read all of a snapshot and compare", long: true,
		in: SnapshotRequest{}, out: snapshot.Info{}, example: `{"name":"20261122T030000Z-default"}`,
		handle: func(x *exchange) error {
			in, err := x.readSnapshot(false)
			if err != nil {
				return err
			}
			info, err := x.api.node.VerifySnapshot(x.ctx(), in.Name)
			return x.snapshot(http.StatusOK, info, err)
		},
	},
	{
		method: "POST", path: snapshotsPath + "/restore", needs: Admin, does: "Put a snapshot in place of a space, under a new timeline", long: true,
		in: SnapshotRequest{}, out: Space{}, example: `{"name":"20261122T030000Z-default","space":"default"}`,
		handle: func(x *exchange) error {
			in, err := x.readSnapshot(false)
			if err != nil {
				return err
			}
			s, err := x.api.node.RestoreSnapshot(x.ctx(), in.Name, in.Space)
			if err != nil {
				return err
			}
			return x.answer(http.StatusOK, spaceOf(s))
		},
	},
	{
		method: "POST", path: snapshotsPath + "/archive", needs: Admin, does: "Copy all snapshots that it lacks to a bucket", long: true,
		in: SnapshotRequest{}, optional: true, out: Snapshots{}, example: `{"bucket":"s3://backups?region=eu-central-1"}`,
		handle: func(x *exchange) error {
			in, err := x.readSnapshot(true)
			if err != nil {
				return err
			}
			return x.snapshots(x.api.node.ArchiveSnapshots(x.ctx(), in.Bucket))
		},
	},
	{
		method: "POST", path: snapshotsPath + "/fetch", needs: Admin, does: "Copy a snapshot from a bucket to this node", long: true,
		in: SnapshotRequest{}, out: snapshot.Info{}, example: `{"bucket":"s3://backups?region=eu-central-1","name":"20261122T030000Z-default"}`,
		handle: func(x *exchange) error {
			in, err := x.readSnapshot(false)
			if err != nil {
				return err
			}
			info, err := x.api.node.FetchSnapshot(x.ctx(), in.Bucket, in.Name)
			return x.snapshot(http.StatusOK, info, err)
		},
	},
}

func (x *exchange) readSnapshot(optional bool) (in SnapshotRequest, err error) {
	return in, x.readJSON(maxAdminBody, optional, &in)
}

func (x *exchange) snapshots(all []snapshot.Info, err error) error {
	if err != nil {
		return err
	}
	if all == nil {
		all = []snapshot.Info{}
	}
	return x.answer(http.StatusOK, Snapshots{all})
}

func (x *exchange) snapshot(status int, info snapshot.Info, err error) error {
	if err != nil {
		return err
	}
	return x.answer(status, info)
}
