package main

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/engramd/engramd/node/api"
	"github.com/engramd/engramd/node/api/view"
)

func newNodeSpaces(o *options) *cobra.Command {
	n := &nodeAsk{options: o}
	cmd := &cobra.Command{
		Use:   "spaces",
		Short: "List the spaces of a node; make, copy, alias and delete them",
		Long: `A space is a set of memories that is stored, linked and recalled by itself. The dimension of its
vectors never changes: to change it, make another space, fill it, and lead the name there by an alias.`,
		Args: exactly(0, "no arguments"),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return askNode(n, cmd, func(ctx context.Context, c *api.Client) (api.Spaces, error) { return c.Spaces(ctx) }, view.Spaces)
		},
	}
	n.reach(cmd)
	cmd.AddCommand(newSpaceCreate(o), newSpaceDrop(o), newSpaceAlias(o))
	return cmd
}

func newSpaceCreate(o *options) *cobra.Command {
	n := &nodeAsk{options: o}
	in := api.NewSpace{}
	cmd := &cobra.Command{
		Use:   "create NAME",
		Short: "Make a space, empty or as a copy of another",
		Args:  exactly(1, "a name"),
		RunE: func(cmd *cobra.Command, args []string) error {
			in.Name = args[0]
			return askNode(n, cmd, func(ctx context.Context, c *api.Client) (api.Space, error) { return c.CreateSpace(ctx, in) }, view.Space)
		},
	}
	cmd.Flags().IntVar(&in.Dimension, "dimension", 0, "of the vectors; 0 is that of the first one")
	cmd.Flags().StringVar(&in.CopyOf, "copy-of", "", "begin with what this space has; without vectors if the dimension is another")
	n.reach(cmd)
	return cmd
}

func newSpaceDrop(o *options) *cobra.Command {
	n := &nodeAsk{options: o}
	cmd := &cobra.Command{
		Use:   "drop NAME",
		Short: "Delete a space with all its memories; its snapshots stay",
		Args:  exactly(1, "a name"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return askNode(n, cmd, func(ctx context.Context, c *api.Client) (struct{}, error) {
				return struct{}{}, c.DropSpace(ctx, args[0])
			},
				done("%s deleted", args[0]))
		},
	}
	n.reach(cmd)
	return cmd
}

func newSpaceAlias(o *options) *cobra.Command {
	n := &nodeAsk{options: o}
	cmd := &cobra.Command{
		Use:   "alias NAME [SPACE]",
		Short: "Make NAME lead to SPACE, in place of where it led before; without SPACE the alias goes",
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) == 1 {
				return nil
			}
			return exactly(2, "an alias and the space where it leads")(cmd, args)
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			space := first(args[1:])
			text := done("%s leads to %s", args[0], space)
			if space == "" {
				text = done("%s leads nowhere any more", args[0])
			}
			return askNode(n, cmd, func(ctx context.Context, c *api.Client) (struct{}, error) {
				return struct{}{}, c.Alias(ctx, args[0], space)
			}, text)
		},
	}
	n.reach(cmd)
	return cmd
}
