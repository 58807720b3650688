package suite

// Report is one JSON line from the guest; exactly one field is set.
type Report struct {
	Hello *Hello  // the first line
	Start string  // the name of the suite that starts
	End   *Result // of the suite that ended
}

// Hello says which machine the suites run on.
type Hello struct {
	Kernel string // release and machine
	Uring  string // the sysctl kernel.io_uring_disabled; "" before Linux 6.6, which has none
}
