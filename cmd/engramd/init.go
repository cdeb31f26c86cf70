package main

import (
	"context"
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"github.com/engramd/engramd/actuators"
	"github.com/engramd/engramd/agent/config"
)

func newInit(*options) *cobra.Command {
	var file string
	cmd := &cobra.Command{
		Use:   "init",
		Short: "Write an agent.yaml for what is found on this machine",
		Long: `Look for what could be a target (running containers, services of systemd, workloads of the
namespace that the kubeconfig names) and write an agent.yaml for it, in mode approve: it
proposes, and changes nothing before a person has said yes.`,
		Example: "  engramd init > agent.yaml\n  engramd init --file agent.yaml",
		Args:    exactly(0, "no arguments"),
		RunE: func(cmd *cobra.Command, _ []string) error {
			found := find(cmd.Context(), registry(), func(platform string, err error) {
				fmt.Fprintf(cmd.ErrOrStderr(), "nothing of %s was looked at: %v\n", platform, err)
			})
			text := config.Init(found)
			if file == "" {
				_, err := cmd.OutOrStdout().Write(text)
				return err
			}
			return writeNew(file, text)
		},
	}
	cmd.Flags().StringVar(&file, "file", "", "write to this file, which must not exist yet (default: standard output)")
	return cmd
}

// find looks for what could be a target, on every platform at once. One that cannot be asked is told and
// left out.
func find(ctx context.Context, platforms actuators.Registry, cannot func(platform string, err error)) map[string][]actuators.Found {
	found := map[string][]actuators.Found{}
	for name, got := range askAll(ctx, platforms, probeTime, func(ctx context.Context, p actuators.Platform) ([]actuators.Found, error) { return p.Find(ctx) }) {
		if got.err != nil {
			cannot(name, got.err)
			continue
		}
		found[name] = got.answer
	}
	return found
}

// writeNew writes a file and never over another.
func writeNew(path string, text []byte) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	if _, err := f.Write(text); err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	return f.Close()
}
