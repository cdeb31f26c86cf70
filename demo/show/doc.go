// Package show draws the demo: a [State] becomes a frame of a given size ([Draw]) or, where there is no
// terminal, lines that say what has changed ([Lines]). Both are pure functions of states.
//
// [Terminal] is the live view. It reads keys and sizes of a terminal and draws the newest state; when Run
// returns, the terminal is as it was before.
package show
