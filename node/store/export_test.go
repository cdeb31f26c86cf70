package store

// AtStep lets a test look at each step of a compaction, and end it there.
func (o *Options) AtStep(fn func(step string) error) { o.atStep = fn }
