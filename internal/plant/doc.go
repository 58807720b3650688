// Package plant holds five faults that somebody might make in percore one day, each behind a build tag of its own, to
// prove that the simulation's seeds find such faults: .ci/plants builds with each tag and wants the seeds to fail.
// Without the tags every constant is false and the compiler leaves no trace of them.
//
//	go test -tags plant_rearm ./net -run TestSeeds     must fail
//
//	tag                 fault                                           where
//	plant_rearm         a multishot recv that ended is not armed again  net/recv.go
//	plant_recycle       a buffer is recycled while its bytes are lent   net/inqueue.go
//	plant_wake          a post does not wake its core                   runtime/mailbox.go
//	plant_generation    a token's generation is not compared            runtime/op.go
//	plant_window        a WINDOW_UPDATE is credited twice               h2/flow.go
package plant

// NoBid marks the bytes of a buffer that RecycledLent has given back too early.
const NoBid = -2
