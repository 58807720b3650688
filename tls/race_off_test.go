//go:build !race

package coretls

const raceOn = false
