//go:build !plant_recycle

package plant

// RecycledLent: a buffer goes back to the kernel while a connection still holds its bytes.
const RecycledLent = false
