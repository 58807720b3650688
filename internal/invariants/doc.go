// Package invariants is the leaf every percore package may import to check
// costly truths in test builds and pay nothing for them in a release.
//
// The build tag `invariants` chooses which half is compiled:
//
//	           go build               go build -tags invariants
//	         +----------+             +------------------------+
//	Enabled  | false    |             | true                   |
//	Poison   | no-op    |             | every byte becomes ... |
//	         +----------+             | PoisonByte             |
//	           off.go                 +------------------------+
//	                                    on.go
//
// Enabled is a constant, so `if invariants.Enabled { ... }` leaves no trace in
// a release. Poison is called by whoever takes a buffer back (a recycled bid, a
// freed chunk) before anybody else can see it: code that kept the bytes past
// their loan then reads nonsense at once, in a test, and not rarely, in
// production.
package invariants
