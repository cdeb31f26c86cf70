package host

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"

	"github.com/engramd/engramd/testenv/host/frames"
)

// A Guest is the way into a machine that runs, for any process that knows its address.
type Guest struct {
	URL string // such as http://127.0.0.1:20123
}

// A Command is one to run inside, as root. Its output goes where Stdout and Stderr say; nil drops it.
type Command struct {
	Args           []string
	Dir            string
	Env            []string // KEY=value, beside PATH, HOME and USER
	Stdin          io.Reader
	Stdout, Stderr io.Writer
}

// Ready tells whether the guest answers.
func (g Guest) Ready(ctx context.Context) bool {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, g.URL+"/ready", nil)
	if err != nil {
		return false
	}
	answer, err := exchange(request)
	if err != nil {
		return false
	}
	answer.Body.Close()
	return answer.StatusCode == http.StatusOK
}

// Do runs a command to its end and returns its exit code. It ends with the context.
func (g Guest) Do(ctx context.Context, c Command) (code int, err error) {
	head, err := json.Marshal(frames.Command{Args: c.Args, Dir: c.Dir, Env: c.Env, Input: c.Stdin != nil})
	if err != nil {
		return -1, err
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, g.URL+"/run", c.Stdin)
	if err != nil {
		return -1, err
	}
	request.Header.Set("Command", string(head))
	answer, err := exchange(request)
	if err != nil {
		return -1, fmt.Errorf("run %s in the machine: %w", c.Args[0], err)
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		text, _ := io.ReadAll(io.LimitReader(answer.Body, 1000))
		return -1, fmt.Errorf("run %s in the machine: %s: %s", c.Args[0], answer.Status, text)
	}
	code, err = frames.Copy(orDiscard(c.Stdout), orDiscard(c.Stderr), answer.Body)
	if err != nil {
		return code, fmt.Errorf("run %s in the machine: %w", c.Args[0], err)
	}
	return code, nil
}

// exchange uses a connection of its own, so that none is left over.
func exchange(request *http.Request) (*http.Response, error) {
	request.Close = true
	return (&http.Transport{DisableKeepAlives: true}).RoundTrip(request)
}

func orDiscard(w io.Writer) io.Writer {
	if w == nil {
		return io.Discard
	}
	return w
}

// Output runs a command that must succeed, and returns what it wrote to standard output.
func (g Guest) Output(ctx context.Context, args ...string) (string, error) {
	var stdout, stderr bytes.Buffer
	code, err := g.Do(ctx, Command{Args: args, Stdout: &stdout, Stderr: &stderr})
	if err == nil && code != 0 {
		err = fmt.Errorf("%s: exit code %d: %s%s", strings.Join(args, " "), code, &stdout, &stderr)
	}
	return stdout.String(), err
}
