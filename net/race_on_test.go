//go:build race

package corenet_test

const raceEnabled = true
