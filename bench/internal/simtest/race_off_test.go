//go:build !race

package simtest

// fixedSeeds are what every run plays.
const fixedSeeds = 2000
