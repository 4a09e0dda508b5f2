// Package guide is the code that docs/guide shows, as examples that run. It exports nothing.
package guide
