// Fuzz runs every fuzz target of the repository for a while, two at a time, with a progress line each ten seconds, and
// ends with a line per target. What a target fails on is written to its testdata by go test and shown.
//
//	go run ./bench/fuzz -each 60s               all of them
//	go run ./bench/fuzz -each 8h -only Chaos    one for a night
//	go run ./bench/fuzz -collect 60             copy the smallest inputs found so far into testdata/fuzz
//
//	go test -list ──▶ targets ──▶ go test -fuzz (one CPU each) ──▶ verdicts
//	                                   └── interesting inputs ──▶ go's cache ──-collect──▶ testdata/fuzz
package main
