package docker

// On has the driver read proc and sys below root.
func (d *Driver) On(root string) *Driver {
	d.root = root
	return d
}
