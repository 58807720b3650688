//go:build race

package coreruntime

const raceEnabled = true
