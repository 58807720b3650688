package measure

import (
	"fmt"
	"slices"
)

// Figure is what a row of measurements comes to.
type Figure struct {
	Median, Min, Max float64
}

// Summarize needs at least one value.
func Summarize(values []float64) Figure {
	s := slices.Sorted(slices.Values(values))
	n := len(s)
	return Figure{Median: (s[(n-1)/2] + s[n/2]) / 2, Min: s[0], Max: s[n-1]}
}

// String shows the median and, in brackets, the smallest and the largest value.
func (f Figure) String() string { return fmt.Sprintf("%.2f [%.2f-%.2f]", f.Median, f.Min, f.Max) }

// Pair is one interleaved measurement of two contenders; Ratio is b/a of each pair.
type Pair struct{ A, B []float64 }

// Run measures a and b n times in turn, changing who goes first.
func (p *Pair) Run(n int, a, b func() (float64, error)) error {
	for i := range n {
		first, second := a, b
		to, then := &p.A, &p.B
		if i%2 == 1 {
			first, second, to, then = b, a, then, to
		}
		for _, step := range []struct {
			fn func() (float64, error)
			to *[]float64
		}{{first, to}, {second, then}} {
			v, err := step.fn()
			if err != nil {
				return err
			}
			*step.to = append(*step.to, v)
		}
	}
	return nil
}

// Ratio is B/A, pair by pair.
func (p *Pair) Ratio() Figure {
	var r []float64
	for i := range p.A {
		r = append(r, p.B[i]/p.A[i])
	}
	return Summarize(r)
}
