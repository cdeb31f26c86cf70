package show

import (
	"context"
	"errors"
	"fmt"
	"os"

	tea "charm.land/bubbletea/v2"
)

// A Terminal is the live view.
type Terminal struct {
	In, Out *os.File
	Look    Look
	Environ []string
}

// Run draws every state that comes, until there are no more, ctx ends, or the person leaves (q, Esc, Ctrl-C),
// which calls leave. The terminal is as it was when Run returns.
func (t *Terminal) Run(ctx context.Context, states <-chan State, leave func()) error {
	p := tea.NewProgram(model{look: t.Look, leave: leave},
		tea.WithInput(t.In), tea.WithOutput(t.Out), tea.WithEnvironment(t.Environ),
		tea.WithoutSignalHandler()) // signals are main's: they end ctx
	ended := make(chan struct{})
	pumped := make(chan struct{})
	go func() {
		defer close(pumped)
		defer p.Quit()
		for {
			select {
			case s, more := <-states:
				if !more {
					return
				}
				p.Send(stateMsg(s))
			case <-ctx.Done():
				return
			case <-ended:
				return
			}
		}
	}()
	_, err := p.Run()
	close(ended)
	<-pumped
	if err != nil && !errors.Is(err, tea.ErrProgramKilled) {
		return fmt.Errorf("draw on the terminal: %w (--plain does without)", err)
	}
	return nil
}

// A stateMsg brings the newest state.
type stateMsg State

// A model is what is on the screen.
type model struct {
	state         State
	width, height int
	look          Look
	leave         func()
}

// Init implements tea.Model.
func (m model) Init() tea.Cmd { return nil }

// Update implements tea.Model.
func (m model) Update(msg tea.Msg) (tea.Model, tea.Cmd) {
	switch msg := msg.(type) {
	case stateMsg:
		m.state = State(msg)
	case tea.WindowSizeMsg:
		m.width, m.height = msg.Width, msg.Height
	case tea.KeyPressMsg:
		switch msg.String() {
		case "ctrl+c", "q", "esc":
			m.leave()
			return m, tea.Quit
		}
	}
	return m, nil
}

// View implements tea.Model.
func (m model) View() tea.View {
	v := tea.NewView(Draw(m.state, m.width, m.height, m.look))
	v.AltScreen = true
	return v
}
