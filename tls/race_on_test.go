//go:build race

package coretls

// raceOn: the race detector makes sync.Pool forget at random.
const raceOn = true
