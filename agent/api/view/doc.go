// Package view writes what the API answers as text for people: tables for lists, and for one decision
// the whole story in words.
//
// A [View] holds the time and the zone to tell times in; it keeps nothing and may be copied. What it
// writes ends lines with a newline and holds no control characters, whatever a container or a
// receiver of ours is called.
package view
