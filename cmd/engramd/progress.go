package main

import (
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"

	"github.com/engramd/engramd/node/api/view"
	"github.com/engramd/engramd/node/transfer"
)

// How often progress is shown: on a terminal in its place, else a line each time.
const (
	progressInPlace = 200 * time.Millisecond
	progressLines   = 5 * time.Second
)

// showProgress shows on w how far something is until stop is called, if w is a terminal or wanted is set.
func showProgress(w io.Writer, wanted bool, what string, now func() transfer.Progress) (stop func()) {
	inPlace := terminal(w)
	if !inPlace && !wanted {
		return func() {}
	}
	every := progressLines
	if inPlace {
		every = progressInPlace
	}
	quit, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		tick := time.NewTicker(every)
		defer tick.Stop()
		for {
			select {
			case <-quit:
				if inPlace {
					fmt.Fprint(w, "\r\033[K")
				}
				return
			case <-tick.C:
				text := what + " " + progressText(now())
				if inPlace {
					text = "\r" + text + "\033[K"
				} else {
					text += "\n"
				}
				fmt.Fprint(w, text)
			}
		}
	}()
	return func() {
		close(quit)
		<-ended
	}
}

// progressText is what a person wants to know in the meantime.
func progressText(p transfer.Progress) string {
	parts := []string{fmt.Sprintf("%d lines", p.Lines), fmt.Sprintf("%.0f/s", p.PerSecond())}
	switch {
	case p.Of > 0:
		parts = append(parts, fmt.Sprintf("%.0f%% of %s", 100*float64(p.Bytes)/float64(p.Of), view.Bytes(p.Of)))
	case p.Bytes > 0:
		parts = append(parts, view.Bytes(p.Bytes))
	}
	if left, known := p.Remaining(); known {
		parts = append(parts, fmt.Sprintf("%v left", left.Round(time.Second)))
	}
	return strings.Join(parts, ", ")
}

// terminal tells whether a person sees what is written.
func terminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	if !ok {
		return false
	}
	_, err := unix.IoctlGetTermios(int(f.Fd()), unix.TCGETS)
	return err == nil
}

// progressFlag adds the flag that wants progress where nobody watches.
func progressFlag(cmd *cobra.Command, wanted *bool) {
	cmd.Flags().BoolVar(wanted, "progress", false, "tell how far it is, every 5s, also where standard error is no terminal")
}
