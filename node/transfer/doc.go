// Package transfer moves memories and edges between files and a node: a line each, in the form of the API's bulk
// import and export. It is the other end of package api's streams: what a person wants around them when a million lines
// take a minute.
//
// Files may be compressed, by gzip (.gz) or zstd (.zst). An [Import] is durable line by line and knows how far it came: what
// was cut off goes on with the first line that has no answer, by itself while the node is busy or restarts ([Import.Patience]), or
// later, from a note beside the file ([Import.Resume]). Importing a line twice is harmless, so the note may be behind and
// never ahead. An [Export] writes a file whole or not at all.
//
// Everything here runs in its caller's goroutine but for reading a request's body, and ends with it.
package transfer
