package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/engramd/engramd/agent/config"
	"github.com/engramd/engramd/policy/presets"
	"github.com/engramd/engramd/rules"
)

func newConfig(o *options) *cobra.Command {
	cmd := &cobra.Command{Use: "config", Short: "Show the configuration, its schema and the presets"}
	cmd.AddCommand(newConfigShow(o), newConfigSchema(), newConfigPreset())
	return cmd
}

func newConfigShow(o *options) *cobra.Command {
	var embedded bool
	cmd := &cobra.Command{
		Use:   "show",
		Short: "Show agent.yaml with every default; secrets are never shown",
		Args:  exactly(0, "no arguments"),
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, err := o.load()
			if err != nil {
				return err
			}
			text := config.Show(cfg)
			if embedded {
				own, err := config.Embedded(cfg)
				if err != nil {
					return err
				}
				text = []byte(own)
			}
			_, err = cmd.OutOrStdout().Write(text)
			return err
		},
	}
	cmd.Flags().BoolVar(&embedded, "embedded", false, "show instead how the embedded node is looked after where no target names it")
	return cmd
}

func newConfigSchema() *cobra.Command {
	return &cobra.Command{
		Use:   "schema",
		Short: "Print the JSON Schema of agent.yaml, for editors",
		Args:  exactly(0, "no arguments"),
		RunE: func(cmd *cobra.Command, _ []string) error {
			_, err := cmd.OutOrStdout().Write(config.Schema())
			return err
		},
	}
}

func newConfigPreset() *cobra.Command {
	return &cobra.Command{
		Use:   "preset [NAME]",
		Short: "Print a preset (a matrix or a rule file), or list them",
		Args:  atMost(1, "the name of a preset, or nothing"),
		RunE: func(cmd *cobra.Command, args []string) error {
			w := cmd.OutOrStdout()
			if len(args) == 0 {
				for _, name := range presets.Names() {
					fmt.Fprintf(w, "%s\tmatrix\n", name)
				}
				for _, name := range rules.Presets() {
					fmt.Fprintf(w, "%s\trules\n", name)
				}
				return nil
			}
			if text, ok := presets.Read(args[0]); ok {
				_, err := w.Write(text)
				return err
			}
			if text, err := rules.PresetSource(args[0]); err == nil {
				_, err := w.Write(text)
				return err
			}
			return usageError{fmt.Errorf("there is no preset %q; engramd config preset lists them", args[0])}
		},
	}
}
