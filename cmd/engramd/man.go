package main

import (
	"fmt"
	"os"

	"github.com/spf13/cobra"
	"github.com/spf13/cobra/doc"
)

func newMan(root *cobra.Command) *cobra.Command {
	return &cobra.Command{
		Use:   "man DIR",
		Short: "Write the man pages into a directory",
		Args:  exactly(1, "a directory"),
		RunE: func(_ *cobra.Command, args []string) error {
			if err := os.MkdirAll(args[0], 0o755); err != nil {
				return fmt.Errorf("make the directory for man pages: %w", err)
			}
			header := &doc.GenManHeader{Title: "ENGRAMD", Section: "1", Source: "engramd " + version}
			if err := doc.GenManTree(root, header, args[0]); err != nil {
				return err
			}
			server := &doc.GenManHeader{Title: "ENGRAM-SERVER", Section: "1", Source: "engramd " + version}
			return doc.GenManTree(newEngramServer(), server, args[0])
		},
	}
}
