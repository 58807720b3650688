//go:build plant_wake

package plant

// LostWake: now and then a post does not wake the core.
const LostWake = true
