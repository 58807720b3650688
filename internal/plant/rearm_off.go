//go:build !plant_rearm

package plant

// DroppedRearm: a multishot recv that ended on its own stays disarmed.
const DroppedRearm = false
