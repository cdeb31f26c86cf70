// Command guest is the way into the host VM: it runs commands for the tests outside, over HTTP on the VM's only network
// interface, which nobody but the machine that runs the VM can reach.
//
// POST /run with the command as JSON in the header Command (see [frames.Command]); the request's body is the command's
// standard input, the answer a row of frames. Whoever hangs up ends the command and all that it started in its process group.
package main

import (
	"log"
	"net/http"
)

func main() {
	http.HandleFunc("POST /run", run)
	http.HandleFunc("GET /ready", func(http.ResponseWriter, *http.Request) {})
	log.Fatal(http.ListenAndServe(":80", nil))
}
