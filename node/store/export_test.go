package store

// AtStep lets a test look at each step of a compaction, and end it there.
func (o *Options) AtStep(fn func(step string) error) { o.atStep = fn }

// AtCommit lets a test say how commits of bases end. Bases that a compaction makes are not asked.
func (o *Options) AtCommit(fn func() error) { o.atCommit = fn }

// AtCatalog lets a test say how replacements of the catalog end that have its new name, and may not be durable.
func (o *Options) AtCatalog(fn func() error) { o.atCatalog = fn }
