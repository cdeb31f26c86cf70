package node

import "net/http"

// An Exchange is one request of this package, with what it sends and reads.
type Exchange struct {
	Method, Path string
	In, Out      any
}

// Wire lists them all.
func Wire() []Exchange {
	return []Exchange{
		{http.MethodGet, healthPath, nil, health{}},
		{http.MethodGet, threadingPath, nil, threading{}},
		{http.MethodPost, threadingPath, threadingChange{}, nil},
		{http.MethodGet, evictionPath, nil, eviction{}},
		{http.MethodPost, evictionPath, evictionChange{}, nil},
		{http.MethodPost, evictPath, evictRequest{}, nil},
		{http.MethodGet, memoryPath, nil, memory{}},
		{http.MethodPost, memoryPath, memory{}, nil},
		{http.MethodGet, walPath, nil, wal{}},
		{http.MethodPost, walPath, wal{}, nil},
		{http.MethodGet, keepPath, nil, snapshotSettings{}},
		{http.MethodPost, snapshotsPath + "/prune", snapshotRequest{}, nil},
		{http.MethodPost, snapshotsPath + "/archive", snapshotRequest{}, nil},
		{http.MethodPost, compactPath, nil, nil},
		{http.MethodGet, spacesPath, nil, spaces{}},
	}
}

// Check is the registry's.
func Check(spec any) error { return check(spec) }
