// Package consolidate keeps a space in order: it removes what has expired, and makes one memory of exact duplicates.
package consolidate
