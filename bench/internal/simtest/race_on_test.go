//go:build race

package simtest

// fixedSeeds are what every run plays: a tenth under the detector, which takes ten times as long.
const fixedSeeds = 200
