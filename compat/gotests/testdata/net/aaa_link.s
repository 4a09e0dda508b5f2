// A package with this file may declare functions without bodies.
