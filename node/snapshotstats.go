package node

import "time"

// SnapshotStats tell about snapshots.
type SnapshotStats struct {
	Count   int
	Bytes   int64
	Damaged int
	// LastSuccess is when the newest snapshot was taken; zero: there is none.
	LastSuccess time.Time
	// LastError is what the last one failed with, nil if it did not, and LastErrorAt when one last did.
	LastError   error
	LastErrorAt time.Time
	// Spaces are the same by space, those without any among them.
	Spaces map[string]SpaceSnapshots
}

// SpaceSnapshots tell about those of one space.
type SpaceSnapshots struct {
	Count       int
	Bytes       int64
	LastSuccess time.Time
}

// SnapshotStats tells about snapshots.
func (n *Node) SnapshotStats() (SnapshotStats, error) {
	n.snapshots.mu.Lock()
	st := SnapshotStats{LastError: n.snapshots.failure, LastErrorAt: n.snapshots.failed, Spaces: map[string]SpaceSnapshots{}}
	n.snapshots.mu.Unlock()
	for _, s := range n.store.Spaces() {
		st.Spaces[s.Name] = SpaceSnapshots{}
	}
	infos, err := n.snapshots.shelf.List("")
	for _, i := range infos {
		s := st.Spaces[i.Space]
		st.Count++
		s.Count++
		if i.Damage != "" {
			st.Damaged++
		} else {
			s.Bytes += i.Bytes
			st.Bytes += i.Bytes
			s.LastSuccess = latest(s.LastSuccess, i.CreatedAt)
			st.LastSuccess = latest(st.LastSuccess, i.CreatedAt)
		}
		st.Spaces[i.Space] = s
	}
	return st, err
}

func latest(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}
