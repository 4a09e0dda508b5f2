// Empty: it lets this package declare functions without bodies, which the linkname pulls in.
