// Package sluice is the Go client of Sluice, a gateway in front of AI providers.
//
// The messages of the contract are in [go.sluice.dev/sluice/sluicev1]. This
// package sets up the connection, takes events out of the messages they came in,
// puts an answer together, runs tools, and tells failures as [*Error]. Everything
// else is decided by the gateway.
//
// Deadlines and cancellation are those of the context of a call, and hold over
// all its tries. There is no deadline unless the context has one.
package sluice

// Version is the version of this package; the gateway sees it in the user agent.
const Version = "0.1.0"
