//go:build !plant_window

package plant

// DoubleCredit: now and then a WINDOW_UPDATE counts twice.
const DoubleCredit = false
