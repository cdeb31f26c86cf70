package consolidate

import (
	"cmp"
	"context"
	"time"

	"github.com/engramd/engramd/node/record"
	"github.com/engramd/engramd/node/store"
)

// maxChain bounds how many redirects lead to one another.
const maxChain = 16

// settle looks after redirects: those that lead nowhere go, chains become short, and edges move.
func (r *round) settle(ctx context.Context, redirects []record.Ord) error {
	for len(redirects) > 0 {
		var failed error
		if err := r.opts.Slice(ctx, func() { redirects, failed = r.settleSome(ctx, redirects) }); cmp.Or(err, failed) != nil {
			return cmp.Or(err, failed)
		}
	}
	return nil
}

// settleSome is a slice of settle, and returns what is left.
func (r *round) settleSome(ctx context.Context, redirects []record.Ord) ([]record.Ord, error) {
	for until := time.Now().Add(sliceTime); len(redirects) > 0 && time.Now().Before(until); redirects = redirects[1:] {
		if err := r.settleOne(ctx, redirects[0]); err != nil {
			return nil, err
		}
	}
	return redirects, nil
}

func (r *round) settleOne(ctx context.Context, ord record.Ord) error {
	redirect, err := r.read(ord)
	if redirect == nil || err != nil || redirect.Redirect == "" {
		return err
	}
	target, gone, err := r.target(redirect)
	switch {
	case err != nil:
		return err
	case gone:
		return r.remove(ctx, redirect)
	case target == nil:
		return nil
	case target.ID != redirect.Redirect:
		return r.shorten(ctx, redirect, target)
	}
	return r.relink(ctx, []*known{redirect}, target)
}

// target returns where a redirect leads in the end; gone if that is not there any more, nil if nobody can tell.
func (r *round) target(redirect *known) (target *known, gone bool, err error) {
	at := redirect
	for range maxChain {
		ord, _, ok := r.Store.Lookup(at.Redirect)
		if !ok {
			return nil, r.Store.Err() == nil, nil
		}
		next, err := r.read(ord)
		if next == nil || err != nil {
			return nil, false, err
		}
		if !Leads(&at.Memory, &next.Memory) {
			return nil, true, nil
		}
		if next.Redirect == "" {
			return next, false, nil
		}
		at = next
	}
	return nil, false, nil
}

// Leads tells whether a redirect leads to m, which has the id it names. A memory that was remembered later than the redirect
// only got the id again.
func Leads(redirect, m *record.Memory) bool { return Before(m, redirect) }

// remove removes a redirect that leads nowhere, and its edges with it.
func (r *round) remove(ctx context.Context, redirect *known) error {
	errs, err := r.apply(ctx, []store.Change{{Kind: record.Delete, ID: redirect.ID, IfVersion: redirect.Version}})
	if err != nil {
		return err
	}
	if errs[0] == nil {
		r.report.Dangling++
	} else if !raced(errs[0]) {
		return errs[0]
	}
	return nil
}

// shorten makes a redirect lead to where it leads in the end, and moves its edges.
func (r *round) shorten(ctx context.Context, redirect, target *known) error {
	errs, err := r.apply(ctx, []store.Change{r.redirectTo(redirect, target)})
	if err != nil {
		return err
	}
	if raced(errs[0]) {
		return nil
	}
	if errs[0] != nil {
		return errs[0]
	}
	if redirect, err = r.read(redirect.ord); redirect == nil || err != nil {
		return err
	}
	if redirect.Redirect != target.ID {
		return nil
	}
	return r.relink(ctx, []*known{redirect}, target)
}
