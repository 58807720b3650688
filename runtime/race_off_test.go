//go:build !race

package coreruntime

const raceEnabled = false
