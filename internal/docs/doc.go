// Package docs holds the documents of this module to its code: links and paths lead somewhere, the
// glossary's words are in the code, and what the guide shows as code is compiled and run. It is a
// test and nothing else.
package docs
